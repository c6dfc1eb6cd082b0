import { spawn } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'

/** Tells the service manager how this process is (sd_notify(3)). Without one nothing happens. */
export interface Notifier {
  /** Serving: after the start, and after a reload, whatever became of it. */
  ready(status: string): void
  reloading(): void
  stopping(): void
  /** Resolves when all that was told so far has been sent, or after a second: what is not sent by then is lost. */
  sent(): Promise<void>
}

/** The command that speaks for us: Node has no Unix datagram sockets. */
const COMMAND = 'systemd-notify'
/** systemd-notify waits for the manager to have read the message, which a hung one never does. Milliseconds. */
const TIMEOUT = 10_000
/** For so long the end of the process waits for messages, in milliseconds. */
const LAST_MESSAGES = 1000

const SILENT: Notifier = { ready() {}, reloading() {}, stopping() {}, async sent() {} }

/** NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are taken out of `env`: they are not for our children. */
export function createNotifier(env: NodeJS.ProcessEnv, pid: number, log: FastifyBaseLogger): Notifier {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env
  delete env.NOTIFY_SOCKET
  delete env.WATCHDOG_USEC
  delete env.WATCHDOG_PID
  if (!NOTIFY_SOCKET) return SILENT

  let failed = false
  let waiting = 0
  /** One after the other, because READY must not overtake RELOADING. */
  let last = Promise.resolve()

  function send(...variables: string[]): void {
    waiting++
    last = last.then(() => notify(variables)).finally(() => waiting--)
  }

  async function notify(variables: string[]): Promise<void> {
    try {
      await run(variables, { ...env, NOTIFY_SOCKET })
      failed = false
    } catch (error) {
      if (!failed) log.warn(`the service manager could not be told: ${(error as Error).message}`)
      failed = true
    }
  }

  const interval = watchdogInterval(WATCHDOG_USEC, WATCHDOG_PID, pid)
  if (interval !== null) {
    // On the main thread, so that an event loop that hangs is noticed.
    setInterval(() => waiting === 0 && send('WATCHDOG=1'), interval).unref()
  }
  return {
    ready: (status) => send('READY=1', `STATUS=${oneLine(status)}`),
    // hrtime is CLOCK_MONOTONIC, which the manager compares with its own.
    reloading: () => send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => send('STOPPING=1', 'STATUS=draining'),
    sent: () => Promise.race([last, wait(LAST_MESSAGES, undefined, { ref: false })]),
  }
}

/** Half of what the manager allows, in milliseconds; null when it watches nobody, or another process. */
export function watchdogInterval(
  usec: string | undefined,
  watched: string | undefined,
  pid: number,
): number | null {
  const allowed = Number(usec)
  if (!(allowed > 0) || (watched !== undefined && watched !== String(pid))) return null
  return Math.max(1, Math.floor(allowed / 2000))
}

/** @throws Error that says why the command failed */
function run(variables: string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(COMMAND, variables, { env, stdio: ['ignore', 'ignore', 'pipe'], timeout: TIMEOUT })
    let told = ''
    child.stderr.on('data', (text) => (told += text))
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? new Error(`no command ${COMMAND} on PATH`) : error)
    })
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else
        reject(
          new Error(
            `${COMMAND} ${code === null ? `ended by ${signal}` : `exits with ${code}`} ${oneLine(told)}`,
          ),
        )
    })
  })
}

function oneLine(text: string): string {
  return text.trim().replaceAll('\n', '; ')
}
