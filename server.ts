#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import app, { options as serverOptions } from './app.ts'
import { listenOptions } from './config/options.ts'
import { ConfigFileError, readConfig, readSettledConfig } from './config/read.ts'
import type { Config } from './config/schema.ts'
import { explainListenError } from './lib/net/place.ts'
import { takeListenFds } from './life/listen-fds.ts'
import { createLogStream } from './life/log-stream.ts'
import { createNotifier } from './life/notify.ts'
import { warnOfLostConnections } from './life/reuse-port.ts'
import { onSignals } from './life/signals.ts'

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

SIGHUP reads CONFIG again: keys that are live take effect at once, the log names those that need a restart. A file with
anything wrong in it changes nothing.
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
  const read = () => readConfig(path, process.env, overrides)
  if (flags['check-config'] !== undefined) {
    read()
    return console.log('ok')
  }
  await serve(read(), (running) => readSettledConfig({ file: path, env: process.env, overrides, running }))
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

async function serve(config: Config, readAgain: (running: Config) => Promise<Config>): Promise<void> {
  const sockets = takeListenFds(process.env, process.pid)
  const fastify = Fastify({
    ...serverOptions,
    logger: { level: config.log_level, stream: createLogStream() },
  })
  const notify = createNotifier(process.env, process.pid, fastify.log)
  const { promise: serving, resolve, reject } = Promise.withResolvers<string>()
  serving.catch(() => {}) // told by the throw below
  onSignals({ fastify, config, readAgain, notify, serving })
  const place = listenOptions(config, sockets)
  try {
    await fastify.register(app, { ...config, sockets, beforeHooks: true })
    const status = `serving on ${await fastify.listen(place)}`
    resolve(status)
    notify.ready(status)
    if (config.listen_reuse_port) warnOfLostConnections(fastify.log)
  } catch (error) {
    reject(error)
    fastify.log.debug(error)
    throw explainListenError(error as Error, place)
  }
}

/** The version in package.json: beside this file, or one level up when it runs from dist/. */
function version(): string {
  const [path] = ['./package.json', '../package.json']
    .map((relative) => new URL(relative, import.meta.url))
    .filter((url) => existsSync(url))
  return JSON.parse(readFileSync(path, 'utf8')).version
}
