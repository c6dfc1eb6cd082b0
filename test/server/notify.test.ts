import { execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { childEnv } from '../helpers/child.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { startServer } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'
import { runNode } from './run.ts'

const LONG = 60_000
const QUIET = {
  upstream_address: '127.0.0.1:9',
  listen_address: '127.0.0.1:0',
  enable_l2_cache: false,
  health_endpoint: { enabled: false },
  metrics_endpoint: { enabled: false },
}

/** A systemd-notify that writes down what it is told. */
function fakeNotify(t: Scope): { env: Record<string, string>; told: () => string[] } {
  const dir = tempDir(t)
  const file = join(dir, 'told')
  const script = `#!/bin/sh\nIFS='|'; echo "$NOTIFY_SOCKET|$*" >>'${file}'\n`
  writeFileSync(join(dir, 'systemd-notify'), script, { mode: 0o755 })
  return {
    env: { NOTIFY_SOCKET: '/run/fake', PATH: `${dir}${delimiter}${childEnv().PATH}` },
    told: () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []),
  }
}

function configFile(t: Scope): string {
  const file = join(tempDir(t), 'config.yaml')
  writeFileSync(file, JSON.stringify(QUIET))
  return file
}

t.test('the service manager is told of the start, each reload and the end, in this order', async (t) => {
  const { env, told } = fakeNotify(t)
  const server = await startServer(t, { upstream_address: '127.0.0.1:9', cache_ttl: 60 }, env)
  const ready = `/run/fake|READY=1|STATUS=serving on ${server.url}`
  await until(() => told().length === 1, LONG)
  t.same(told(), [ready])

  const before = process.hrtime.bigint() / 1000n
  server.write({ cache_ttl: 5, slice_size: 65536 })
  server.process.kill('SIGHUP')
  await until(() => told().length === 3, LONG)
  const [, usec] = /^\/run\/fake\|RELOADING=1\|MONOTONIC_USEC=(\d+)$/.exec(told()[1])!
  t.ok(BigInt(usec) >= before && BigInt(usec) <= process.hrtime.bigint() / 1000n, 'the monotonic clock')
  t.equal(told()[2], `${ready}; reloaded: 1 keys applied, 1 wait for a restart`)

  server.write({ cache_ttl: -1 })
  server.process.kill('SIGHUP')
  await until(() => told().length === 5, LONG)
  t.equal(told()[4], `${ready}; the last reload was refused, the log tells why`)
  t.equal(await server.kill(), 0)
  await until(() => told().length === 6, LONG)
  t.equal(told()[5], '/run/fake|STOPPING=1|STATUS=draining')
})

t.test('the watchdog hears from the event loop, and nothing once it hangs', async (t) => {
  const { env, told } = fakeNotify(t)
  const hang = 'process.on("SIGUSR2", () => { for (;;); })'
  const run = runNode(
    t,
    ['--import', `data:text/javascript,${encodeURIComponent(hang)}`, 'server.ts', configFile(t)],
    { ...env, WATCHDOG_USEC: '200000' },
  )
  const beats = () => told().filter((line) => line === '/run/fake|WATCHDOG=1').length
  await until(() => beats() > 2, LONG)
  run.process.kill('SIGUSR2')
  // Ten beats long there is none; the one on its way may take a while.
  let last = -1
  for (let looks = 0; looks < 20 && beats() !== last; looks++) {
    last = beats()
    await wait(1000)
  }
  t.equal(beats(), last)
})

t.test('a missing command is one warning, and no reason to fail', async (t) => {
  const run = runNode(t, ['server.ts', configFile(t)], { NOTIFY_SOCKET: '/run/fake', PATH: tempDir(t) })
  await run.until('no command systemd-notify on PATH')
  run.process.kill('SIGHUP')
  await run.until('reload: done')
  run.process.kill('SIGTERM')
  t.equal(await run.exited, 0)
  t.equal(run.output.stdout.match(/could not be told/g)!.length, 1)
})

const missing: string[] = []
for (const command of ['systemd-notify', 'python3']) {
  await promisify(execFile)(command, ['--version'], { env: childEnv() }).catch(() => missing.push(command))
}
const skip = missing.length > 0 && `there is no ${missing.join(', no ')} here`

t.test('the real systemd-notify, and a socket of its own', { skip }, async (t) => {
  const socket = join(tempDir(t), 'notify')
  // What comes with a message, the descriptor by which the sender waits for it to be read, is closed by not taking it.
  const program =
    'import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\n' +
    'while True: print(repr(s.recv(4096)), flush=True)'
  const receiver = spawn('python3', ['-c', program, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: childEnv(),
  })
  let received = ''
  receiver.stdout.on('data', (text) => (received += text))
  t.teardown(() => receiver.kill('SIGKILL'))
  await until(() => existsSync(socket), LONG)

  const run = runNode(t, ['server.ts', configFile(t)], { NOTIFY_SOCKET: socket })
  await until(() => /READY=1\\nSTATUS=serving on http:\/\/127\.0\.0\.1:\d+/.test(received), LONG)
  run.process.kill('SIGHUP')
  await until(() => /RELOADING=1\\nMONOTONIC_USEC=\d+[\s\S]*READY=1.*reloaded/.test(received), LONG)
  run.process.kill('SIGTERM')
  t.equal(await run.exited, 0)
  await until(() => received.includes('STOPPING=1'), LONG)
  t.notMatch(run.output.stdout, 'could not be told')
})
