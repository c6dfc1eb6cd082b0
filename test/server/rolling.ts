/**
 * Three rolling restarts under load, as a program: whoever starts it may give it a network of its own. Prints what came of
 * it as JSON. `--retry`: clients try again when a connection was reset before it brought a byte.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { createScope, tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'
import { startLoad } from './load.ts'
import { type Run, runNode } from './run.ts'

/** What is printed. */
export interface Rolled {
  answered: number
  failures: string[]
  resets: number
  /** Exit codes of the old processes. */
  exits: (number | null)[]
  /** Bodies of `/ready` that were not what a server says that is ready, and what else probes met, but for resets. */
  notReady: string[]
  log: string
}

const RESTARTS = 3
const scope = createScope()
const file = bytesOf(12, 200_000)
const retryResets = process.argv.includes('--retry')

const origin = await startOrigin(scope, async (request, exchange) => {
  if (request.target === '/slow') await exchange.stall(100)
  await exchange.respondFile(file, { cacheControl: request.target === '/hit' ? 'max-age=60' : 'no-store' })
})
const [proxy, health, metrics] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`)
const dir = tempDir(scope)
const config = join(dir, 'config.yaml')
writeFileSync(
  config,
  JSON.stringify({
    listen_address: proxy,
    listen_reuse_port: true,
    upstream_address: origin.url,
    health_endpoint: { address: health },
    metrics_endpoint: { address: metrics },
    l2_cache_dir: join(dir, 'cache'),
    pressure: { max_event_loop_delay_ms: 0, max_event_loop_percent: 0 },
  }),
)

async function start(): Promise<Run> {
  const run = runNode(scope, ['server.ts', config])
  await run.until('Server listening')
  return run
}

const notReady: string[] = []
let probing = true
async function probe(): Promise<void> {
  for (; probing; await wait(20)) {
    const told = await get(`http://${health}/ready`)
      .then(({ status, body }) => (status === 0 ? 'reset' : body.toString()))
      .catch((error: Error) => error.message)
    // The one that is on its way when the old process closes the port; the next one reaches the new process.
    if (told !== '{"status":"ready"}' && !/reset/i.test(told)) notReady.push(told)
  }
}

const exits: (number | null)[] = []
let log = ''
let current = await start()
const probes = probe()
const isRight = (body: Buffer) => body.equals(file)
const wanted = ['/hit', '/miss', '/slow'].map((target) => ({ target, status: 200, isRight }))
const load = startLoad(`http://${proxy}`, { rate: 200, keeping: 15, opening: 15, wanted, retryResets })
for (let i = 0; i < RESTARTS; i++) {
  const before = load.answered
  await until(() => load.answered > before + 100)
  const next = await start()
  current.process.kill('SIGTERM')
  exits.push(await current.exited)
  log += current.output.stdout + current.output.stderr
  current = next
}
const before = load.answered
await until(() => load.answered > before + 100)
await load.stop()
probing = false
await probes
const { answered, failures, resets } = load
const rolled: Rolled = { answered, failures, resets, exits, notReady, log }
process.stdout.write(JSON.stringify(rolled))
await scope.end()
process.exit()
