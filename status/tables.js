import { bytes, duration, number, percent } from './format.js'

/** The stores and the three lists. What clients and the origin have sent is only ever text. */

const STORES = [
  ['l1', 'Memory', 'memory'],
  ['l2', 'Disk', 'disk'],
]
/** Of the 20 in the answer. */
const HOT = 12
const KINDS = {
  origin: 'origin',
  body: 'origin’s body',
  answer: 'origin’s answer',
  client: 'client cut off',
  store: 'store',
  pressure: 'pressure',
}

export function showStores(place, { stores }) {
  const shown = STORES.filter(([name]) => stores[name])
  if (place.childElementCount !== shown.length) place.replaceChildren(...shown.map(storeRow))
  for (const [i, [name]] of shown.entries()) fillStoreRow(place.children[i], stores[name])
  if (shown.length === 0) place.textContent = 'There is none: everything is passed through.'
}

function storeRow([, title, className]) {
  const row = make('div', 'store')
  const bar = make('div', `bar ${className}`)
  bar.setAttribute('role', 'meter')
  bar.setAttribute('aria-label', `${title}, full`)
  bar.setAttribute('aria-valuemin', '0')
  bar.setAttribute('aria-valuemax', '100')
  bar.append(make('i'))
  row.append(make('span', '', title), bar, make('span', 'quiet'))
  return row
}

function fillStoreRow(row, store) {
  const full = (100 * store.bytes) / (store.maxBytes || 1)
  const [, bar, words] = row.children
  bar.setAttribute('aria-valuenow', String(Math.round(full)))
  bar.firstChild.style.width = `${Math.min(100, full)}%`
  const parts = [
    `${bytes(store.bytes)} of ${bytes(store.maxBytes)} (${percent(full)})`,
    `${store.entries.toLocaleString('en')} entries`,
    `${store.evictions.toLocaleString('en')} evicted`,
  ]
  if (store.pendingBytes > 0) parts.push(`${bytes(store.pendingBytes)} waiting to be written`)
  const errors = store.readErrors + store.writeErrors + store.corrupt
  if (errors > 0) parts.push(`${errors.toLocaleString('en')} errors`)
  words.textContent = parts.join(', ')
}

export function showHot(body, { hotObjects }) {
  const rows = hotObjects
    .slice(0, HOT)
    .map(({ target, requestsPerMinute }) => [[number(requestsPerMinute), 'number'], [target]])
  showRows(body, rows, 'Nothing was asked for lately.')
}

export function showFills(body, { fills }) {
  const rows = fills.largest.map(({ target, received, length, readers, seconds }) => [
    [length === null ? bytes(received) : `${bytes(received)} of ${bytes(length)}`],
    [String(readers), 'number'],
    [duration(seconds), 'number'],
    [target],
  ])
  showRows(body, rows, 'None.')
}

export function showProblems(body, { problems, service }) {
  const rows = problems.map(({ last, kind, count, text, target }) => [
    [`${duration((service.time - last) / 1000)} ago`],
    [KINDS[kind] ?? kind],
    [count.toLocaleString('en'), 'number'],
    [text, 'text'],
    [target],
  ])
  showRows(body, rows, 'None since the start.')
}

function showRows(body, rows, none) {
  if (rows.length > 0) {
    body.replaceChildren(...rows.map((cells) => row(cells.map(([text, name]) => make('td', name, text)))))
    return
  }
  const cell = make('td', 'quiet', none)
  cell.colSpan = 5
  body.replaceChildren(row([cell]))
}

function row(cells) {
  const element = make('tr')
  element.append(...cells)
  return element
}

function make(name, className = '', text = '') {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text) element.textContent = text
  return element
}
