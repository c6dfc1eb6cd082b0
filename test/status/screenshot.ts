// npm run docs:screenshot: docs/status-page.png, from a server that is really asked for five minutes, as long as its charts are.
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { openRawDisk } from '../../lib/stores/raw-disk/open.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { type Exchange, type OriginRequest, startOrigin } from '../helpers/origin.ts'
import { createRandom } from '../helpers/random.ts'
import { createScope, tempDir } from '../helpers/scope.ts'
import { startServer } from '../helpers/server.ts'
import { chromiumPath, openBrowser, openPage } from './browser.ts'

const MIB = 1024 * 1024
const SLICE = 256 * 1024
const HOST = 'downloads.example.com'
const SECONDS = Number(process.env.SCREENSHOT_SECONDS ?? 300)
const OBJECTS = 3000
const WORKERS = 10

if (chromiumPath === undefined) throw new Error('there is no Chromium in PATH (or at $CHROMIUM)')
const scope = createScope()
const random = createRandom(7)
const noise = bytesOf(1, 8 * MIB)
let began = performance.now()
let done = false
const elapsed = () => (performance.now() - began) / 1000

const names = Array.from({ length: OBJECTS }, (_, i) => {
  const kinds = [
    `/media/trailer-${i}.mp4`,
    `/packages/library-${i}.tar.gz`,
    `/images/photo-${i}.avif`,
    `/docs/page-${i}.html`,
  ]
  return kinds[i % kinds.length]
})

/** Bytes of an object: few are large. */
function sizeOf(path: string): number {
  const kind = path.split('/')[1]
  const base = { media: 2 * MIB, packages: MIB, images: 96 * 1024, docs: 12 * 1024 }[kind] ?? 64 * 1024
  return base + (Number(/\d+/.exec(path)?.[0] ?? 0) % 97) * 1024
}

async function answer(request: OriginRequest, exchange: Exchange): Promise<void> {
  const path = request.target.split('?')[0]
  if (path === '/images/huge.iso') {
    await exchange.head({
      fields: { 'Content-Length': String(64 * MIB), ETag: '"iso"', 'Cache-Control': 'max-age=60' },
    })
    return exchange.drip(noise.subarray(0, 8 * MIB), 32 * 1024, 800)
  }
  // Sometimes an origin has had enough.
  if (path === '/api/quota') return exchange.respond({ status: 503, body: 'busy\n' })
  if (path.endsWith('broken.bin')) {
    await exchange.head({ fields: { 'Content-Length': '100000', 'Cache-Control': 'no-store' } })
    await exchange.write(noise.subarray(0, 30_000))
    return exchange.reset()
  }
  await exchange.stall(4 + random.below(40))
  const at = (Number(/\d+/.exec(path)?.[0] ?? 0) * 4096) % (4 * MIB)
  return exchange.respondFile(noise.subarray(at, at + sizeOf(path)))
}

async function work(url: string): Promise<void> {
  while (!done) {
    // A few objects are asked for most of the time; later on, more of them.
    const among = Math.min(OBJECTS, 100 + (2 * OBJECTS * elapsed()) / SECONDS)
    const path = names[Math.floor(among * (random.below(10_000) / 10_000) ** 4)]
    await get(url + path, { headers: { Host: HOST }, onData: () => {} })
    if (random.chance(0.002)) await get(`${url}/api/quota?user=17`, { headers: { Host: HOST } })
    if (random.chance(0.0005))
      await get(`${url}/files/broken.bin`, { headers: { Host: HOST } }).catch(() => {})
    // What changes is purged: dead blocks in sealed regions.
    if (random.chance(0.04)) await get(url + random.pick(names), { method: 'PURGE', headers: { Host: HOST } })
    await wait(130 + 60 * Math.sin(elapsed() / 20) + random.below(60))
  }
}

try {
  const origin = await startOrigin(scope, answer)
  // Preallocated here: that may take longer than a start is waited for.
  const disk = { path: join(tempDir(scope), 'raw'), totalSize: 2048 * MIB, blockSize: 4096, sliceSize: SLICE }
  await (await openRawDisk({ ...disk, directIo: true, format: false })).device.close()
  began = performance.now()
  const server = await startServer(scope, {
    upstream_address: origin.url,
    l1_cache_size_bytes: 96 * MIB,
    l2_backend: 'raw_disk',
    raw_disk_cache: { device_path: disk.path, total_size: disk.totalSize },
    slice_size: SLICE,
    purge: { enabled: true },
    log_level: 'warn',
  })
  // One that takes its time, and is not waited for.
  void get(`${server.url}/images/huge.iso`, { headers: { Host: HOST }, timeout: 600_000, onData() {} }).catch(
    () => {},
  )
  const workers = Array.from({ length: WORKERS }, () => work(server.url))
  await wait(SECONDS * 1000)

  const browser = await openBrowser(scope)
  const views = [
    {
      file: join(import.meta.dirname, '../../docs/status-page.png'),
      width: 1280,
      colorScheme: 'light' as const,
    },
    // To look at, not to keep.
    ...(process.env.SCREENSHOT_MORE
      ? [
          { file: join(process.env.SCREENSHOT_MORE, 'dark.png'), width: 1280, colorScheme: 'dark' as const },
          { file: join(process.env.SCREENSHOT_MORE, 'phone.png'), width: 390, colorScheme: 'light' as const },
        ]
      : []),
  ]
  for (const { file, width, colorScheme } of views) {
    const { page } = await openPage(browser, `${server.health}/`, {
      viewport: { width, height: 900 },
      colorScheme,
    })
    await page.locator('#hot td').nth(1).waitFor()
    await page.screenshot({ path: file, fullPage: true })
    await page.close()
  }
  done = true
  await Promise.all(workers)
} finally {
  await scope.end()
}
