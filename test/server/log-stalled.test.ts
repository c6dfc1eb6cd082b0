import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { childEnv, plain } from '../helpers/child.ts'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { freePorts, startServer } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'

const root = join(import.meta.dirname, '../..')
/** Makes access lines of more than 8 KiB: 400 of them are more than a reader may owe. */
const long = 'x'.repeat(8000)

async function answersAll(t: Test, url: string) {
  let answered = 0
  for (let i = 0; i < 400; i++) if ((await get(`${url}/a?${long}`)).status === 200) answered++
  t.equal(answered, 400)
}

/** All that is written is whole lines, of which one tells how many are not. */
function isComplete(t: Test, text: string) {
  const lines = text.trimEnd().split('\n')
  const parsed = lines.map((line) => JSON.parse(line))
  const lost = parsed
    .filter(({ msg }) => msg === 'log lines were lost')
    .reduce((sum, told) => sum + told.lines, 0)
  t.ok(lost > 0, `${lost} lost`)
  t.equal(parsed.filter(({ msg }) => msg === 'access').length + lost, 401)
}

const hasLast = (text: string) => text.includes('/last?') && text.endsWith('\n')

t.test('a log that nobody reads stops nothing: a socket, as the journal gives one', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const server = await startServer(t, { upstream_address: origin.url, access_log: true })
  server.process.stdout!.pause()
  await answersAll(t, server.url)
  server.process.stdout!.resume()
  // The line that tells of the loss is written when nothing is left to be written.
  await until(() => server.stdout.split('"msg":"access"').length > 50)
  await drained(() => server.stdout.length)
  await get(`${server.url}/last?`)
  await until(() => hasLast(server.stdout))
  isComplete(t, server.stdout)
  server.process.stdout!.pause()
  await answersAll(t, server.url)
  t.equal(await server.kill(), 0, 'nor does it hold up the end')
})

t.test('a log that nobody reads stops nothing: a pipe, as the shell gives one', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const [port, health] = await freePorts(2)
  const [file, gate, log] = ['config.yaml', 'gate', 'log'].map((name) => join(tempDir(t), name))
  writeFileSync(
    file,
    JSON.stringify({
      listen_address: `127.0.0.1:${port}`,
      upstream_address: origin.url,
      enable_l2_cache: false,
      access_log: true,
      health_endpoint: { address: `127.0.0.1:${health}` },
      metrics_endpoint: { enabled: false },
    }),
  )
  const line = '"$0" server.ts "$1" | { while [ ! -e "$2" ]; do sleep 0.1; done; exec cat > "$3"; }'
  const shell = spawn(...plain('sh', ['-c', line, process.execPath, file, gate, log]), {
    cwd: root,
    env: childEnv(),
    detached: true,
    stdio: 'ignore',
  })
  // The whole pipeline, which is a process group of its own.
  t.teardown(() => process.kill(-shell.pid!, 'SIGKILL'))
  let isUp = false
  await until(() => {
    fetch(`http://127.0.0.1:${health}/ready`).then(
      ({ ok }) => (isUp = ok),
      () => {},
    )
    return isUp
  })
  await answersAll(t, `http://127.0.0.1:${port}`)
  writeFileSync(gate, '')
  const text = () => (existsSync(log) ? readFileSync(log, 'utf8') : '')
  await until(() => text().length > 500_000)
  await drained(() => text().length)
  await get(`http://127.0.0.1:${port}/last?`)
  await until(() => hasLast(text()))
  isComplete(t, text())
})

/** Resolves when nothing more comes. */
async function drained(length: () => number): Promise<void> {
  let before = -1
  let at = 0
  await until(() => {
    if (length() === before) return performance.now() - at > 300
    before = length()
    at = performance.now()
    return false
  })
}
