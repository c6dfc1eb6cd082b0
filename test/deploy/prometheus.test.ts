import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { freePorts, startServer } from '../helpers/server.ts'
import { missing, root, startDaemon, untilAnswers } from './programs.ts'

interface Answer {
  status: string
  error?: string
  data: { result: { value: [number, string] }[] }
}
interface Rules {
  data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] }
}

t.test(
  'Prometheus scrapes a server, understands every rule and has an answer for every panel',
  { skip: missing('prometheus'), timeout: 400_000 },
  async (t) => {
    const origin = await fileOrigin(t, { '/file': Buffer.alloc(300_000) })
    const server = await startServer(t, {
      upstream_address: origin.url,
      l2_backend: 'raw_disk',
      raw_disk_cache: { device_path: join(tempDir(t), 'raw'), total_size: 16 << 20 },
    })
    const dir = tempDir(t)
    cpSync(join(root, 'deploy/prometheus'), dir, { recursive: true })
    const file = join(dir, 'prometheus.yml')
    // As it is, but for the pace: a rate needs two scrapes.
    const faster = readFileSync(file, 'utf8').replaceAll(/: 1[05]s$/gm, ': 1s')
    writeFileSync(file, faster)
    writeFileSync(join(dir, 'targets/slicestream.yml'), `- targets: ['${new URL(server.metrics).host}']`)
    const [port] = await freePorts(1)
    const url = `http://127.0.0.1:${port}`
    const prometheus = startDaemon(t, 'prometheus', [
      `--config.file=${file}`,
      `--web.listen-address=127.0.0.1:${port}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
    ])
    await untilAnswers(`${url}/-/ready`, prometheus)

    const ask = async (expression: string) => {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
      return (await response.json()) as Answer
    }
    const holds = async (expression: string) => (await ask(expression)).data.result.length > 0
    for (let turn = 0; !(await holds('sum(rate(http_requests_total{job="slicestream"}[1m])) > 0')); turn++) {
      await get(`${server.url}/file?${turn % 5}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
      if (turn > 600) throw new Error(`nothing was scraped: ${prometheus.output}`)
    }

    const { panels } = JSON.parse(readFileSync(join(root, 'deploy/grafana/dashboard.json'), 'utf8'))
    for (const { title, targets = [] } of panels as { title: string; targets?: { expr: string }[] }[]) {
      for (const { expr } of targets) {
        const query = expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(job|instance)\b/g, '.*')
        const { status, error, data } = await ask(query)
        t.equal(status, 'success', `${title}: ${error ?? ''}`)
        t.ok(data?.result.length > 0, `${title}: ${query}`)
      }
    }
    const { data } = (await (await fetch(`${url}/api/v1/rules`)).json()) as Rules
    const rules = data.groups.flatMap((group) => group.rules)
    t.ok(rules.length > 10)
    t.same(
      rules.filter(({ health }) => health === 'err').map(({ name, lastError }) => `${name}: ${lastError}`),
      [],
    )
  },
)
