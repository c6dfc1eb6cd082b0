import { setTimeout as wait } from 'node:timers/promises'
import { get } from '../test/helpers/client.ts'
import { type Server, startServer } from '../test/helpers/server.ts'
import { type Bench, MIB, startBenchOrigin } from './harness.ts'

export const L1 = 100 * MIB

/** Resident memory of the proxy's process while 1 GiB streams through. */
export async function benchMemory(bench: Bench): Promise<void> {
  const length = bench.smoke ? 32 * MIB : 1024 * MIB
  const origin = await startBenchOrigin(bench.scope)
  const settings = { upstream_address: origin, l1_cache_size_bytes: L1, log_level: 'warn' }
  const server = await startServer(bench.scope, settings)

  bench.line('## Memory')
  bench.line('')
  bench.line(
    `Resident memory in MiB of a proxy with 100 MiB of L1 and a file L2, ${length / MIB} MiB streamed to one client that reads as fast as`,
  )
  bench.line('it can. L1 was filled with other objects before.')
  bench.line('')
  bench.line('| transfer | before | largest | added | time |')
  bench.line('|---|---|---|---|---|')
  await fillL1(server)
  for (const state of ['from the origin', 'again, from the cache']) {
    const before = server.rss()
    const started = performance.now()
    const largest = await largestRss(server, () => stream(`${server.url}/bytes/${length}`, length))
    const seconds = (performance.now() - started) / 1000
    const cells = [mib(before), mib(largest), mib(largest - before), `${seconds.toFixed(1)} s`]
    bench.line(`| ${state} | ${cells.join(' | ')} |`)
  }
  await server.kill()
  bench.line('')
}

/** With objects of 1 MiB: a single large one might be kept out of memory. */
export async function fillL1(server: Server): Promise<void> {
  for (let i = 0; i < L1 / MIB + 20; i++) await stream(`${server.url}/bytes/${MIB}?fill=${i}`, MIB)
}

export async function stream(url: string, length: number): Promise<void> {
  const answer = await get(url, { onData: () => {}, timeout: 300_000 })
  if (!answer.complete || answer.length !== length) throw new Error(`${answer.length} bytes of ${length}`)
}

async function largestRss(server: Server, work: () => Promise<void>): Promise<number> {
  let largest = server.rss()
  const timer = setInterval(() => (largest = Math.max(largest, server.rss())), 20)
  await work()
  // The queue to the disk still holds slices when the client has its last byte.
  await wait(200)
  clearInterval(timer)
  return largest
}

export const mib = (bytes: number) => (bytes / MIB).toFixed(1)
