import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { type Answer, get, type RequestOptions } from '../helpers/client.ts'
import { type Origin, startOrigin } from '../helpers/origin.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { freePorts, type Server, startServer } from '../helpers/server.ts'
import { runServer } from './run.ts'

export const MIB = 1024 * 1024
/** Bytes of a slice: small, so that a small device has many of them. */
export const SLICE = 64 * 1024
export const TOTAL = 32 * MIB

/** A server whose only tier is a raw disk of `TOTAL` bytes. */
export interface RawServer {
  readonly server: Server
  /** Path of the device. */
  readonly device: string
  /** All metrics of this moment by name and labels. */
  figures(): Promise<Record<string, number>>
  /** Asks until the figures are as wanted. @throws when they are not within 60 s */
  untilFigures(isSo: (figures: Record<string, number>) => boolean): Promise<Record<string, number>>
  /** Waits until everything that was put is in its place. */
  settled(): Promise<Record<string, number>>
  ask(path: string, options?: RequestOptions): Promise<Answer>
  purge(path: string, headers?: Record<string, string>): Promise<number>
  /** What the log said, by its messages. */
  messages(): string[]
  /** Where the index of the present life came from: its snapshot, or the regions. */
  readFrom(): string
}

/** @param rawDisk keys of `raw_disk_cache` beside the device and its size */
export async function startRawServer(
  t: Scope,
  upstream: string,
  rawDisk: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
): Promise<RawServer> {
  const device = (rawDisk.device_path as string) ?? join(tempDir(t), 'raw')
  const server = await startServer(t, {
    upstream_address: upstream,
    l1_cache_size_bytes: 0,
    l2_backend: 'raw_disk',
    raw_disk_cache: { device_path: device, total_size: TOTAL, ...rawDisk },
    slice_size: SLICE,
    purge: { enabled: true },
    ...settings,
  })

  const figures = async () => metricsIn(await (await fetch(`${server.metrics}/metrics`)).text())

  async function untilFigures(isSo: (figures: Record<string, number>) => boolean) {
    const deadline = Date.now() + 60_000
    for (;;) {
      const now = await figures()
      if (isSo(now)) return now
      if (Date.now() > deadline)
        throw new Error(`not within 60 s: ${isSo} of ${JSON.stringify(now, null, 1)}`)
      await wait(20)
    }
  }

  return {
    server,
    device,
    figures,
    untilFigures,
    settled: () => untilFigures((f) => f.cache_l2_pending_bytes === 0 && f.raw_disk_recovering === 0),
    ask: (path, options) => get(server.url + path, options),
    async purge(path, headers = {}) {
      const { status, body } = await get(server.url + path, { method: 'PURGE', headers })
      if (status !== 200) throw new Error(`PURGE ${path}: ${status} ${body}`)
      return JSON.parse(String(body)).purged_count
    },
    messages: () => linesIn(server.stdout).map(({ msg }) => msg),
    readFrom: () => linesIn(server.stdout).findLast(({ msg }) => msg === 'raw disk read')?.from ?? 'nothing',
  }
}

/** The lines `name{labels} value` of the text format. */
export function metricsIn(text: string): Record<string, number> {
  const lines = text.matchAll(/^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)$/gm)
  return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]))
}

/** Pino's lines. */
function linesIn(stdout: string): { msg: string; from?: string }[] {
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line))
}

/** Bytes that zstd makes much smaller, different for each seed and at each offset. */
export function textOf(seed: number, length: number): Buffer {
  const lines: string[] = []
  for (let at = 0, line = 0; at < length; line++) {
    const text = `{"seed":${seed},"line":${line},"name":"a name that is the same in every line"}\n`
    lines.push(text)
    at += text.length
  }
  return Buffer.from(lines.join('')).subarray(0, length)
}

/** Files of text (`*.json`) and of random bytes, each served with its type. */
export async function typedOrigin(
  t: Scope,
  files: Record<string, Buffer>,
): Promise<Origin & { files: Record<string, Buffer> }> {
  const origin = await startOrigin(t, (request, exchange) => {
    const bytes = files[request.target]
    if (bytes === undefined) return exchange.respond({ status: 404, body: 'no such file\n' })
    const type = request.target.endsWith('.json') ? 'application/json' : 'application/octet-stream'
    return exchange.respondFile(bytes, { type })
  })
  return Object.assign(origin, { files })
}

/** Some files of a few slices each. */
export function someFiles(count: number, seed = 500): Record<string, Buffer> {
  const sizeOf = (i: number) => (i % 5) * SLICE + 1000 * i + 1
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`/${i}`, bytesOf(seed + i, sizeOf(i))]))
}

/** Asks for every file and says how the cache answered; the bytes must be the origin's. */
export async function askAll(
  t: Test,
  raw: RawServer,
  files: Record<string, Buffer>,
): Promise<Record<string, number>> {
  const seen: Record<string, number> = {}
  for (const [path, file] of Object.entries(files)) {
    const answer = await raw.ask(path)
    t.ok(answer.complete && answer.body.equals(file), `${path}: the origin's bytes`)
    const word = answer.header('x-cache')!
    seen[word] = (seen[word] ?? 0) + 1
    if (word === 'HIT') t.match(answer.header('cache-status'), /slicestream; hit;.* detail=l2/)
  }
  return seen
}

/** Every block is one of live, dead, clean and open. */
export function balanced(t: Test, figures: Record<string, number>, when: string): void {
  const { raw_disk_total_blocks: total, raw_disk_used_blocks: used, raw_disk_free_blocks: free } = figures
  const { raw_disk_live_blocks: live, raw_disk_dead_blocks: dead } = figures
  t.equal(used + free, total, `${when}: used + free = total`)
  t.equal(live + dead, used, `${when}: live + dead = used`)
  t.ok(total > (0.9 * TOTAL) / 4096, `${when}: ${total} blocks`)
}

/** Starts a server that is expected to end at once, and says how. */
export async function refused(
  t: Test,
  rawDisk: Record<string, unknown>,
  settings: Record<string, unknown> = {},
) {
  const [proxy, health, metrics] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`)
  const file = join(tempDir(t), 'config.yaml')
  const config = {
    upstream_address: '127.0.0.1:9',
    listen_address: proxy,
    health_endpoint: { address: health },
    metrics_endpoint: { address: metrics },
    l2_backend: 'raw_disk',
    raw_disk_cache: { total_size: TOTAL, ...rawDisk },
    slice_size: SLICE,
    log_level: 'silent',
    ...settings,
  }
  writeFileSync(file, JSON.stringify(config, null, 1))
  return { file, ...(await runServer(t, [file])) }
}

/** It ends with 1, one sentence, no stack. */
export function oneSentence(
  t: Test,
  { code, stderr }: { code: number | null; stderr: string },
  told: RegExp,
): void {
  t.equal(code, 1)
  t.match(stderr, told)
  t.equal(stderr.split('\n').length, 2, `one line: ${stderr}`)
  t.match(stderr, /^slicestream: /)
  t.notMatch(stderr, /\n\s+at /)
}
