import { setTimeout as wait } from 'node:timers/promises'
import { get, stalledClient } from '../test/helpers/client.ts'
import { type Server, startServer } from '../test/helpers/server.ts'
import { type Bench, MIB, startBenchOrigin } from './harness.ts'
import { fillL1, L1, mib, stream } from './memory.ts'
import { figureOf } from './report/result.ts'

interface Part {
  work: string
  /** What the objects of the clients differ by. */
  query: (client: number) => string
}

/** Clients that ask for a large object and then do not read a byte. */
export async function benchStalled(bench: Bench, part?: string): Promise<void> {
  const clients = bench.smoke ? 20 : 1000
  const length = bench.smoke ? 8 * MIB : 100 * MIB
  const parts: Record<string, Part> = {
    cached: { work: `${clients} stalled clients of one cached object`, query: () => '' },
    cold: { work: `${clients} stalled clients of a cold object each`, query: (client) => `?${client}` },
  }
  const origin = await startBenchOrigin(bench.scope)
  bench.line('## Stalled clients')
  bench.line('')
  bench.line(
    `Clients that ask for ${length / MIB} MiB and never read, some seconds later, with 100 MiB of L1, filled before, and a file L2. MiB: what the`,
  )
  bench.line(
    'process had resident before and at its highest, and what it grew by once all stood still; of that what V8 had in its heap, and what',
  )
  bench.line('Buffers took outside of it. The kernel buffers of sockets are no part of it.')
  bench.line('')
  bench.line('| clients | before | highest | grown by | KiB each | heap | Buffers |')
  bench.line('|---|---:|---:|---:|---:|---:|---:|')
  for (const each of part === undefined ? Object.values(parts) : [parts[part]])
    await measure(bench, { ...each, origin, clients, length })
  bench.line('')
}

async function measure(
  bench: Bench,
  { work, query, origin, clients, length }: Part & { origin: string; clients: number; length: number },
): Promise<void> {
  const server = await startServer(bench.scope, {
    upstream_address: origin,
    l1_cache_size_bytes: L1,
    log_level: 'warn',
  })
  await fillL1(server)
  await stream(`${server.url}/bytes/${length}`, length)
  const before = await memoryOf(server)
  const sockets = await Promise.all(
    Array.from({ length: clients }, (_, i) => stalledClient(`${server.url}/bytes/${length}${query(i)}`)),
  )
  let highest = before.resident
  for (let i = 0; i < 20; i++) {
    await wait(bench.smoke ? 25 : 400)
    highest = Math.max(highest, server.rss())
  }
  const after = await memoryOf(server)
  for (const socket of sockets) socket.destroy()
  const grown = after.resident - before.resident
  const cells = [
    mib(before.resident),
    mib(highest),
    mib(grown),
    Math.round(grown / 1024 / clients),
    mib(after.heap - before.heap),
    mib(after.external - before.external),
  ]
  bench.line(`| ${work} | ${cells.join(' | ')} |`)
  bench.record({ work, peer: 'slicestream', figures: { addedRssBytes: figureOf([grown]) } })
  await server.kill()
}

interface Memory {
  resident: number
  /** Used, which is what has not been collected yet. */
  heap: number
  external: number
}

async function memoryOf(server: Server): Promise<Memory> {
  const text = (await get(`${server.metrics}/metrics`)).body.toString()
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)![1])
  return {
    resident: server.rss(),
    heap: value('nodejs_heap_size_used_bytes'),
    external: value('nodejs_external_memory_bytes'),
  }
}
