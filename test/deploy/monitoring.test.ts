import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import t from 'tap'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { startServer } from '../helpers/server.ts'
import { missing, root, run } from './programs.ts'

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: Record<string, string>
  annotations: Record<string, string>
}
interface Panel {
  id: number
  type: string
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  datasource?: { uid: string }
  targets?: { expr: string; datasource: { uid: string } }[]
}

const rulesFile = join(root, 'deploy/prometheus/rules/slicestream.yml')
const configFile = join(root, 'deploy/prometheus/prometheus.yml')
const { groups } = load(readFileSync(rulesFile, 'utf8')) as { groups: { name: string; rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const dashboard = JSON.parse(readFileSync(join(root, 'deploy/grafana/dashboard.json'), 'utf8'))
const panels: Panel[] = dashboard.panels
const expressions = [
  ...rules.map(({ expr }) => expr),
  ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
]

/** Names of metrics in an expression: words that are no label, no function and no keyword. */
function metricsIn(expression: string): string[] {
  const bare = expression
    .replace(/"[^"]*"/g, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '')
  return [...bare.matchAll(/[a-z_][a-z0-9_]*\b(?!\s*\()/g)]
    .map(([word]) => word)
    .filter((word) => !['and', 'or', 'unless', 'sum', 'max', 'min', 'avg', 'bool'].includes(word))
}

t.test('the reader of expressions finds metrics', async (t) => {
  t.same(metricsIn('sum by (instance, le) (rate(a_b{c="d_e"}[5m])) / on (x) f_total > 0.1 and g'), [
    'a_b',
    'f_total',
    'g',
  ])
})

t.test(
  'every metric of the alerts and of the dashboard is exported by a server with a raw disk',
  async (t) => {
    const origin = await fileOrigin(t, { '/file': Buffer.from('text') })
    const server = await startServer(t, {
      upstream_address: origin.url,
      l2_backend: 'raw_disk',
      raw_disk_cache: { device_path: join(tempDir(t), 'raw'), total_size: 16 << 20 },
    })
    await get(`${server.url}/file`)
    const text = await (await fetch(`${server.metrics}/metrics`)).text()
    const exported = new Set([...text.matchAll(/^([a-z_0-9]+)(?:\{[^\n]*)? \S+$/gm)].map(([, name]) => name))
    // Prometheus makes it.
    exported.add('up')
    const named = new Set(expressions.flatMap(metricsIn))
    t.ok(named.size > 40, `${named.size} metrics are named`)
    t.same(
      [...named].filter((name) => !exported.has(name)),
      [],
    )
    for (const [, label, values] of expressions
      .join('\n')
      .matchAll(/\b(class|result|kind|reason|in)=~?"([^"]*)"/g)) {
      for (const value of values.split('|')) t.match(text, `${label}="${value}"`)
    }
  },
)

t.test("the four alerts of pingora-slice's guide keep their expressions, times and severities", async (t) => {
  const four = groups[0].rules.map(({ expr, for: time, labels }) => [expr, time, labels.severity])
  t.same(four, [
    ['cache_hit_rate < 50', '10m', 'warning'],
    ['raw_disk_fragmentation_rate > 0.4', '15m', 'warning'],
    ['(raw_disk_used_blocks / raw_disk_total_blocks) > 0.9', '5m', 'warning'],
    ['up{job=~"slicestream|pingora-slice"} == 0', '1m', 'critical'],
  ])
})

t.test('the page tells of each alert, as severe as it is', async (t) => {
  const page = readFileSync(join(root, 'deploy/prometheus/README.md'), 'utf8')
  const told = [...page.matchAll(/^\| (\w+) \| .* \| (warning|critical) \|$/gm)].map(([, ...row]) => row)
  t.same(told.toSorted(), rules.map(({ alert, labels }) => [alert, labels.severity]).toSorted())
})

t.test('each alert has a name of its own and texts in English and Chinese', async (t) => {
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, labels, annotations } of rules) {
    t.match(labels.severity, /^(warning|critical)$/, alert)
    t.match(annotations.summary_zh, /\p{Script=Han}/u, alert)
    t.ok(annotations.summary && annotations.description.includes('$labels.instance'), alert)
  }
})

t.test('promtool takes the configuration and the rules', { skip: missing('promtool') }, async (t) => {
  for (const args of [
    ['check', 'config', configFile],
    ['check', 'rules', rulesFile],
  ]) {
    const { code, stdout, stderr } = await run('promtool', args)
    t.equal(code, 0, stdout + stderr)
  }
})

t.test('the alerts fire when they should, and only then', { skip: missing('promtool') }, async (t) => {
  const file = join(root, 'deploy/prometheus/tests/slicestream.yml')
  const { code, stdout, stderr } = await run('promtool', ['test', 'rules', file])
  t.equal(code, 0, stdout + stderr)
  const tested = new Set(
    [...readFileSync(file, 'utf8').matchAll(/alertname: (\w+)/g)].map(([, name]) => name),
  )
  t.same(
    rules.map(({ alert }) => alert).filter((name) => !tested.has(name)),
    [],
    'each alert has a test',
  )
})

t.test('every expression of the dashboard is one', { skip: missing('promtool') }, async (t) => {
  const file = join(tempDir(t), 'panels.yml')
  const records = panels
    .flatMap(({ targets = [] }) => targets)
    .map(({ expr }, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(job|instance)\b/g, '.*'),
    }))
  t.ok(records.length > 40)
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules: records }] }))
  const { code, stdout, stderr } = await run('promtool', ['check', 'rules', file])
  t.equal(code, 0, stdout + stderr)
})

t.test('the dashboard is one that Grafana can show', async (t) => {
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids are unique')
  const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title)
  t.match(rows, [/^Cache performance/, /^Raw disk health/, /^Requests/, /^System resources/])
  t.equal(rows.length, 4)
  const titles = panels.map(({ title }) => title)
  t.equal(new Set(titles).size, titles.length)
  for (const { title, type, targets, datasource } of panels) {
    if (type === 'row') continue
    t.ok(targets && targets.length > 0, title)
    for (const source of [datasource, ...targets!.map((target) => target.datasource)]) {
      t.match(source?.uid, /^\$\{datasource\}$/, title)
    }
    for (const { expr } of targets!) t.match(expr, /instance=~"\$instance"/, title)
  }
  const variables = dashboard.templating.list.map(({ name }: { name: string }) => name)
  t.same(variables, ['datasource', 'job', 'instance'])
})

t.test('no panel lies on another, and none hangs over the edge', async (t) => {
  const taken = new Map<string, string>()
  for (const { title, gridPos } of panels) {
    t.ok(gridPos.x + gridPos.w <= 24, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        const other = taken.get(`${x},${y}`)
        if (other !== undefined) return t.fail(`${title} lies on ${other}`)
        taken.set(`${x},${y}`, title)
      }
    }
  }
})

t.test("the guide's figures are all on the dashboard", async (t) => {
  const named = new Set(panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => metricsIn(expr))))
  for (const name of [
    'cache_hit_rate',
    'cache_l1_hits_total',
    'cache_l2_hits_total',
    'cache_misses_total',
    'raw_disk_fragmentation_rate',
    'raw_disk_used_blocks',
    'raw_disk_total_blocks',
  ]) {
    t.ok(named.has(name), name)
  }
})

t.test('Grafana is told where both are', async (t) => {
  const provisioning = join(root, 'deploy/grafana/provisioning')
  const sources = load(readFileSync(join(provisioning, 'datasources/prometheus.yaml'), 'utf8')) as {
    datasources: { type: string; url: string; jsonData: { timeInterval: string } }[]
  }
  const { global } = load(readFileSync(configFile, 'utf8')) as { global: { scrape_interval: string } }
  t.match(sources.datasources, [{ type: 'prometheus', jsonData: { timeInterval: global.scrape_interval } }])
  const boards = load(readFileSync(join(provisioning, 'dashboards/slicestream.yaml'), 'utf8'))
  t.match(boards, { providers: [{ type: 'file', options: { path: '/var/lib/grafana/dashboards' } }] })
})
