#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import Fastify, { type FastifyInstance } from 'fastify'
import app, { options as serverOptions } from './app.ts'
import { listenOptions } from './config/options.ts'
import { ConfigFileError, readConfig } from './config/read.ts'
import type { Config } from './config/schema.ts'

// libuv reads it when its pool is first used, and loading modules does not use it. Its default of 4 threads is for
// files, DNS and zlib together: four slow reads of a disk would hold up every name that is looked up.
process.env.UV_THREADPOOL_SIZE ??= '16'

const HELP = `slicestream: a streaming, slicing, caching HTTP reverse proxy

  node server.ts CONFIG                 serve as the YAML file says
  node server.ts --check-config FILE    print "ok", or everything that is wrong with the file

  --upstream URL    origin, instead of the file's upstream_address
  --listen ADDR     host:port, instead of the file's listen_address
  --version         print the version
  --help            print this

SIGTERM and SIGINT let requests in flight finish, for shutdown_timeout_ms at most. A second signal ends at once.
Keys of the file: docs/configuration.md`

await main().catch((error: Error) => {
  const told = error instanceof ConfigFileError ? error.message : `slicestream: ${error.message}`
  process.stderr.write(`${told}\n`)
  process.exit(1)
})

async function main(): Promise<void> {
  const { flags, file } = readCommandLine()
  if (flags.help) return console.log(HELP)
  if (flags.version) return console.log(version())

  const overrides = {
    ...(flags.upstream !== undefined && { upstream_address: flags.upstream }),
    ...(flags.listen !== undefined && { listen_address: flags.listen }),
  }
  const path = flags['check-config'] ?? file
  if (path === undefined) throw new Error('no CONFIG given; --help tells more')
  const config = readConfig(path, process.env, overrides)
  if (flags['check-config'] !== undefined) return console.log('ok')
  await serve(config)
}

function readCommandLine() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        'check-config': { type: 'string' },
        upstream: { type: 'string' },
        listen: { type: 'string' },
        version: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    if (positionals.length > 1) throw new Error(`one CONFIG only, not also ${positionals[1]}`)
    return { flags: values, file: positionals[0] }
  } catch (error) {
    // Node adds a second sentence on how to write what nobody meant.
    throw new Error(`${(error as Error).message.split('. ')[0]}; --help tells more`)
  }
}

async function serve(config: Config): Promise<void> {
  const fastify = Fastify({ ...serverOptions, logger: { level: config.log_level } })
  endOnSignals(fastify, config)
  try {
    await fastify.register(app, config)
    await fastify.listen(listenOptions(config))
  } catch (error) {
    fastify.log.debug(error)
    throw error
  }
}

function endOnSignals(fastify: FastifyInstance, config: Config): void {
  // Node's default for SIGHUP is to end, and `systemctl reload` sends it.
  process.on('SIGHUP', () => fastify.log.warn('SIGHUP: reloading is not available yet, nothing changes'))

  closeWithGrace(
    {
      delay: config.shutdown_timeout_ms,
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
      fastify.health?.drain()
      await fastify.close()
      fastify.log.info('drained')
    },
  )
}

/** The version in package.json: beside this file, or one level up when it runs from dist/. */
function version(): string {
  const [path] = ['./package.json', '../package.json']
    .map((relative) => new URL(relative, import.meta.url))
    .filter((url) => existsSync(url))
  return JSON.parse(readFileSync(path, 'utf8')).version
}
