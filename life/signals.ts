import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { ConfigFileError } from '../config/read.ts'
import type { Config } from '../config/schema.ts'
import type { Notifier } from './notify.ts'

/** What a signal's handler works with. */
export interface Life {
  fastify: FastifyInstance
  /** What the process was started with. */
  config: Config
  /** Reads the configuration again, with the flags and the environment of the start. @throws {ConfigFileError} */
  readAgain: (running: Config) => Promise<Config>
  notify: Notifier
  /** Resolves once the proxy listens: until then there is nothing to reload, and SIGHUP waits. */
  serving: Promise<string>
}

/** SIGHUP reads the configuration again; SIGTERM and SIGINT let requests in flight finish, a second one ends at once. */
export function onSignals({ fastify, config, readAgain, notify, serving }: Life): void {
  const { log } = fastify
  let isEnding = false
  let end = endAfter(config.shutdown_timeout_ms)
  let running = config
  let last: Promise<unknown> = serving
  let isWaiting = false

  // Without a handler SIGHUP would end the process, also while it starts.
  process.on('SIGHUP', () => {
    // One reload at a time; the one that has yet to begin will read what this one would.
    if (isWaiting) return
    isWaiting = true
    last = last.then(onHangUp, () => {})
  })

  async function onHangUp(): Promise<void> {
    isWaiting = false
    if (isEnding) return log.warn('SIGHUP: draining, nothing is reloaded')
    notify.reloading()
    const result = await reload()
    if (!isEnding) notify.ready(`${await serving}; ${result}`)
  }

  function endAfter(delay: number) {
    const onEnding = () => {
      isEnding = true
      notify.stopping()
    }
    return endOnSignals(fastify, delay, onEnding, notify.sent)
  }

  async function reload(): Promise<string> {
    log.info('SIGHUP: reading the configuration again')
    try {
      const wanted = await readAgain(running)
      if (isEnding) return 'draining'
      const { config: next, applied, waiting, refusals } = fastify.reload!(wanted)
      if (refusals.length > 0) return 'the last reload was refused, the log tells why'
      running = next
      if (applied.some(({ key }) => key === 'shutdown_timeout_ms')) {
        end.uninstall()
        end = endAfter(wanted.shutdown_timeout_ms)
      }
      return `reloaded: ${applied.length} keys applied, ${waiting.length} wait for a restart`
    } catch (error) {
      if (!(error instanceof ConfigFileError)) {
        // Whatever it is, it is no reason to end what still serves.
        log.error(error, 'reload: failed on its way')
        return 'the last reload failed on its way, the log tells why'
      }
      for (const line of error.message.split('\n')) log.error(`reload: ${line}`)
      log.error('reload: refused, the configuration is as it was')
      return 'the last reload was refused, the log tells why'
    }
  }
}

/** @param delay milliseconds that all of it may take */
function endOnSignals(
  fastify: FastifyInstance,
  delay: number,
  onEnding: () => void,
  lastWords: () => Promise<void>,
) {
  return closeWithGrace(
    {
      delay,
      logger: fastify.log,
      // A handler in JavaScript for the signals of a broken process would hide it: those keep Node's default.
      skip: [
        'SIGHUP',
        'SIGQUIT',
        'SIGILL',
        'SIGTRAP',
        'SIGABRT',
        'SIGBUS',
        'SIGFPE',
        'SIGSEGV',
        'SIGUSR2',
        'beforeExit',
      ],
      onSecondSignal: (signal) => fastify.log.warn(`second ${signal}: ending at once`),
    },
    async ({ signal, err }) => {
      if (err) return fastify.log.fatal(err, 'unexpected error') // close-with-grace exits with 1
      fastify.log.info(`${signal}: draining`)
      onEnding()
      fastify.health?.drain()
      await fastify.close()
      fastify.log.info('drained')
      await lastWords()
    },
  )
}
