// npm run demo: an origin with three files and the proxy in front of it, until Ctrl-C.
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import app, { options } from '../app.ts'
import { loadConfig } from '../config/load.ts'
import type { Counters } from '../lib/cache/counters.ts'
import { createOrigin } from './origin.ts'

const VIDEO_BYTES = 32 * 1024 * 1024

const dir = mkdtempSync(join(tmpdir(), 'slicestream-demo-'))
const files = join(import.meta.dirname, 'files')
const video = join(dir, 'video.bin')
writeVideo(video)

const origin = createOrigin({
  '/hello.txt': { file: join(files, 'hello.txt'), type: 'text/plain; charset=utf-8' },
  '/slices.svg': { file: join(files, 'slices.svg'), type: 'image/svg+xml' },
  '/video.bin': { file: video, type: 'application/octet-stream' },
})
const proxy = Fastify(options)

try {
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
  await proxy.register(app, demoConfig((origin.address() as AddressInfo).port))
  await proxy.listen({ host: '127.0.0.1', port: 8080 })
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  const advice = code === 'EADDRINUSE' ? '; the demo needs the ports 8080, 8081 and 9090' : ''
  console.error(`demo: ${message}${advice}`)
  await stop(1)
}

console.log(`The proxy is http://127.0.0.1:8080, its health :8081/health, its metrics :9090/metrics. Try, each of them twice:

  curl -i http://127.0.0.1:8080/hello.txt
  curl -s -r 20000000-20000099 -D - -o /dev/null http://127.0.0.1:8080/video.bin
  curl -D - -o /dev/null http://127.0.0.1:8080/video.bin

X-Cache says MISS the first time and HIT the second. Ctrl-C ends the demo.
`)
process.once('SIGINT', () => stop(0)).once('SIGTERM', () => stop(0))
showCounters(proxy.sliceProxy!.counters)

function demoConfig(originPort: number) {
  const settings = {
    upstream_address: `127.0.0.1:${originPort}`,
    listen_address: '127.0.0.1:8080',
    health_endpoint: { address: '127.0.0.1:8081' },
    metrics_endpoint: { address: '127.0.0.1:9090' },
    l2_cache_dir: join(dir, 'cache'),
    shutdown_timeout_ms: 1000,
  }
  const { config, errors } = loadConfig(JSON.stringify(settings), { file: join(dir, 'demo.yaml'), env: {} })
  if (errors !== undefined) throw new Error(errors.map((error) => error.message).join('; '))
  return config
}

/** As large as a video, and the same at each start: every KiB begins with its number. */
function writeVideo(file: string): void {
  const handle = openSync(file, 'w')
  const block = Buffer.alloc(1024, 'slicestream ')
  for (let at = 0; at < VIDEO_BYTES; at += block.length) {
    block.write(`${at / block.length} `.padStart(12), 'latin1')
    writeSync(handle, block)
  }
  closeSync(handle)
}

/** One line, kept up to date in place; where the output is no terminal, a line each five seconds. */
function showCounters(counters: Counters): void {
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
  const text = () =>
    [
      `hits ${counters.l1Hits + counters.l2Hits}`,
      `misses ${counters.misses}`,
      `from the origin ${mib(counters.bytesFromOrigin)}`,
      `from the cache ${mib(counters.bytesFromCache)}`,
      `to clients ${mib(counters.bytesToClients)}`,
    ].join('   ')
  if (process.stdout.isTTY) setInterval(() => process.stdout.write(`\r${text()}\x1b[K`), 250)
  else setInterval(() => console.log(text()), 5000)
}

async function stop(code: number): Promise<never> {
  await proxy.close()
  origin.close().closeAllConnections()
  rmSync(dir, { recursive: true, force: true })
  if (process.stdout.isTTY) console.log()
  process.exit(code)
}
