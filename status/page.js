import { createChart } from './chart.js'
import { bytes, bytesPerSecond, clock, duration, milliseconds, number, percent, size } from './format.js'
import { createRegionMap } from './region-map.js'
import { showFills, showHot, showProblems, showStores } from './tables.js'

/** Asks for the figures again and again, and shows them. What clients have sent (paths) goes in as text, never as HTML. */

/** Milliseconds between two questions: the fine history has a sample a second. */
const PAUSES = { '5m': 1000, '1h': 5000, '24h': 5000 }
const PATIENCE = 5000

const element = (id) => document.getElementById(id)
const show = (id, text) => {
  element(id).textContent = text
}

const charts = [
  createChart(element('chart-requests'), {
    title: 'Requests per second',
    format: number,
    series: [
      { label: 'all', className: 'memory', values: (history) => history.requestsPerSecond },
      { label: 'answered 5xx', className: 'bad', values: (history) => history.serverErrorsPerSecond },
    ],
  }),
  createChart(element('chart-hits'), {
    title: 'Answered from',
    format: percent,
    stacked: true,
    series: [
      { label: 'memory', className: 'memory', values: (history) => shares(history, 'l1HitsPerSecond') },
      { label: 'disk', className: 'disk', values: (history) => shares(history, 'l2HitsPerSecond') },
      { label: 'origin', className: 'origin', values: (history) => shares(history, 'missesPerSecond') },
    ],
  }),
  createChart(element('chart-bytes'), {
    title: 'Bytes per second',
    format: (value) => bytesPerSecond(value),
    least: 1024,
    base: 1024,
    series: [
      { label: 'to clients', className: 'memory', values: (history) => history.bytesToClientsPerSecond },
      { label: 'from the cache', className: 'disk', values: (history) => history.bytesFromCachePerSecond },
      {
        label: 'from the origin',
        className: 'origin',
        values: (history) => history.bytesFromOriginPerSecond,
      },
    ],
  }),
  createChart(element('chart-ttfb'), {
    title: 'Time to first byte',
    format: milliseconds,
    log: true,
    least: 10,
    series: [
      { label: 'p50', className: 'memory', values: (history) => history.ttfbP50Ms },
      { label: 'p90', className: 'disk', values: (history) => history.ttfbP90Ms },
      { label: 'p99', className: 'origin', values: (history) => history.ttfbP99Ms },
    ],
  }),
]
const drawRegions = createRegionMap(element('disk-map'), element('disk-text'), element('disk-cell'))

/** In percent of what the cache decided; null where that was nothing. */
function shares(history, series) {
  return history[series].map((rate, i) => {
    const all = history.l1HitsPerSecond[i] + history.l2HitsPerSecond[i] + history.missesPerSecond[i]
    return all > 0 ? (100 * rate) / all : null
  })
}

function showState({ service, health, pressure }) {
  show('version', service.version)
  const word = health?.draining ? 'draining' : (health?.status ?? 'running')
  show('health', word)
  const good = word === 'healthy' || word === 'running'
  element('health').className = `pill ${good ? 'good' : word === 'unhealthy' ? 'bad' : 'fair'}`
  const reasons = (pressure?.reasons ?? []).map((reason) => reason.replaceAll('_', ' '))
  const busy = reasons.length > 0 ? `too much ${reasons.join(' and ')}: requests are refused, ` : ''
  const more = health && !['ready', word].includes(health.readiness) ? `${health.readiness}, ` : ''
  show('state-text', `${busy}${more}up ${duration(service.uptimeSeconds)}`)
}

function showTiles({ latest, totals, fills, service, clients }) {
  const counted = (count) => (count ?? 0).toLocaleString('en')
  show('requests-rate', number(latest?.requestsPerSecond))
  show(
    'requests-more',
    `${counted(totals?.requests)} in ${duration(service.uptimeSeconds)}, ${latest?.requestsInProgress ?? 0} in progress${clients ? `, ${counted(clients.connections)} connections` : ''}`,
  )
  const { l1HitPercent: memory = null, l2HitPercent: disk = null } = latest ?? {}
  show('hit-rate', number(memory === null ? null : memory + disk))
  show('hit-more', `memory ${percent(memory)}, disk ${percent(disk)}`)
  show('ttfb', number(latest?.ttfbP50Ms))
  show('ttfb-more', `p90 ${milliseconds(latest?.ttfbP90Ms)}, p99 ${milliseconds(latest?.ttfbP99Ms)}`)
  showRate('clients', latest?.bytesToClientsPerSecond)
  show('clients-more', `${bytes(totals?.bytesFromCache)} of ${bytes(totals?.bytesToClients)} cached`)
  showRate('origin', latest?.bytesFromOriginPerSecond)
  show('origin-more', `${bytes(totals?.bytesFromOrigin)} in ${counted(totals?.subrequests)} requests`)
  show('fills-now', fills.count.toLocaleString('en'))
  show('fills-more', `${counted(totals?.coalesced)} requests have shared one`)
}

function showRate(id, rate) {
  const { value, unit } = size(rate)
  show(`${id}-rate`, value)
  show(`${id}-unit`, unit && `${unit}/s`)
}

function showAnswer(answer) {
  showState(answer)
  showTiles(answer)
  for (const draw of charts) draw(answer)
  showStores(element('stores'), answer)
  element('disk').hidden = answer.rawDisk === null
  if (answer.rawDisk) drawRegions(answer)
  showHot(element('hot'), answer)
  showFills(element('fills'), answer)
  showProblems(element('problems'), answer)
}

let range = '5m'
let paused = false
let timer
let answeredAt = Date.now()

async function ask() {
  clearTimeout(timer)
  const asked = range
  try {
    const response = await fetch(`status?range=${asked}`, { signal: AbortSignal.timeout(PATIENCE) })
    if (!response.ok) throw new Error(`status ${response.status}`)
    const answer = await response.json()
    if (asked !== range) return
    answeredAt = Date.now()
    element('notice').hidden = true
    showAnswer(answer)
  } catch {
    show('notice', `No answer since ${clock(answeredAt)}. Trying again.`)
    element('notice').hidden = false
  } finally {
    if (asked === range && !paused && !document.hidden) {
      clearTimeout(timer)
      timer = setTimeout(ask, PAUSES[range])
    }
  }
}

for (const input of document.querySelectorAll('input[name=range]')) {
  input.addEventListener('change', () => {
    range = input.value
    ask()
  })
}
element('pause').addEventListener('click', ({ currentTarget }) => {
  paused = !paused
  currentTarget.setAttribute('aria-pressed', String(paused))
  currentTarget.textContent = paused ? 'Go on' : 'Pause'
  clearTimeout(timer)
  if (!paused) ask()
})
// Nobody looks: nothing is asked.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && !paused) ask()
})
range = document.querySelector('input[name=range]:checked').value
ask()
