import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server as NetServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { childEnv, plain } from './child.ts'
import { type Scope, tempDir } from './scope.ts'

const root = join(import.meta.dirname, '../..')

/** The server as an operator runs it: `node server.ts CONFIG` in a process of its own. */
export interface Server {
  /** `http://127.0.0.1:port` of the proxy, of health and of metrics, without a slash at the end. */
  readonly url: string
  readonly health: string
  readonly metrics: string
  readonly pid: number
  readonly process: ChildProcess
  /** What it wrote so far. */
  readonly stdout: string
  readonly stderr: string
  /** Resident memory in bytes (Linux). */
  rss(): number
  /** Sends a signal and resolves with the exit code; null when the signal ended it. */
  kill(signal?: NodeJS.Signals): Promise<number | null>
  /** Writes its file anew with other settings; what they do not name is as it was at the start. A SIGHUP makes it read it. */
  write(settings: Record<string, unknown>): void
  /** Starts it again with the same configuration and ports. It must have ended. */
  start(): Promise<void>
}

/**
 * Starts the server with these settings (keys of the YAML), resolves once `/ready` says so. Addresses that the settings do
 * not name are free ports of 127.0.0.1, `l2_cache_dir` is a temporary directory.
 */
export async function startServer(
  t: Scope,
  settings: Record<string, unknown>,
  env: Record<string, string> = {},
): Promise<Server> {
  const dir = tempDir(t)
  const [proxy, health, metrics] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`)
  const file = join(dir, 'config.yaml')
  const complete = {
    listen_address: proxy,
    health_endpoint: { enabled: true, address: health },
    metrics_endpoint: { enabled: true, address: metrics },
    l2_cache_dir: join(dir, 'cache'),
    ...settings,
  }
  // JSON is YAML.
  const write = (more: Record<string, unknown>) =>
    writeFileSync(file, JSON.stringify({ ...complete, ...more }, null, 2))
  write({})

  let child: ChildProcess
  let exited: Promise<number | null>
  const output = { stdout: '', stderr: '' }

  async function start(): Promise<void> {
    child = spawn(...plain(process.execPath, [join(root, 'server.ts'), file]), {
      cwd: root,
      env: childEnv(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout!.on('data', (text) => (output.stdout += text))
    child.stderr!.on('data', (text) => (output.stderr += text))
    exited = new Promise((resolve) => child.once('exit', resolve))
    await untilReady(`http://${complete.health_endpoint.address}/ready`, child, output)
  }

  await start()
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  })

  return {
    url: `http://${complete.listen_address}`,
    health: `http://${complete.health_endpoint.address}`,
    metrics: `http://${complete.metrics_endpoint.address}`,
    get pid() {
      return child.pid!
    },
    get process() {
      return child
    },
    get stdout() {
      return output.stdout
    },
    get stderr() {
      return output.stderr
    },
    rss: () => rssOf(child.pid!),
    kill(signal = 'SIGTERM') {
      child.kill(signal)
      return exited
    },
    write,
    start,
  }
}

/** Resident memory of a process in bytes. */
export function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

/**
 * Ports that were free a moment ago. Below those that the system gives to connections and listeners without a port of their
 * own: the tests that run side by side have thousands of these, and would take one before its server listens.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers: NetServer[] = []
  while (servers.length < count) {
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server
        .once('error', () => resolve(false))
        .listen(randomInt(15_000, 32_000), '127.0.0.1', () => resolve(true))
    })
    if (isFree) servers.push(server)
  }
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

async function untilReady(url: string, child: ChildProcess, output: { stdout: string; stderr: string }) {
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) break
    const ready = await fetch(url).then(
      (response) => response.body?.cancel().then(() => response.status === 200),
      () => false,
    )
    if (ready) return
    await wait(50)
  }
  child.kill('SIGKILL')
  throw new Error(`the server did not become ready:\n${output.stdout}${output.stderr}`)
}
