import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { stalledClient } from '../test/helpers/client.ts'
import { type Server, startServer } from '../test/helpers/server.ts'
import { type Bench, MIB, startBenchOrigin } from './harness.ts'
import { fillL1, L1, mib, stream } from './memory.ts'

/** Bytes that each download takes every 250 ms: 64 KiB a second. */
const SIP = 16 * 1024
const SIP_INTERVAL = 250

/** What a connection in the middle of a download costs. */
export async function benchConnections(bench: Bench): Promise<void> {
  const downloads = bench.smoke ? 20 : 500
  const length = bench.smoke ? 8 * MIB : 64 * MIB
  const origin = await startBenchOrigin(bench.scope)
  const settings = { upstream_address: origin, l1_cache_size_bytes: L1, log_level: 'warn' }

  bench.line('## Memory of a connection')
  bench.line('')
  bench.line(
    `Resident memory of a proxy with 100 MiB of L1, filled before, and a file L2. Each client takes ${(SIP * 1000) / SIP_INTERVAL / 1024} KiB a second of`,
  )
  bench.line(`${length / MIB} MiB. KiB of each connection: what the process grew by.`)
  bench.line('')
  bench.line('| connections | before, MiB | after, MiB | KiB each |')
  bench.line('|---|---|---|---|')

  const measure = async (
    name: string,
    count: number,
    open: (server: Server, i: number) => Promise<Socket>,
  ) => {
    const server = await startServer(bench.scope, settings)
    await fillL1(server)
    await stream(`${server.url}/bytes/${length}`, length)
    const before = server.rss()
    const sockets: Socket[] = []
    for (let i = 0; i < count; i++) sockets.push(await open(server, i))
    await wait(bench.smoke ? 500 : 8000)
    const after = server.rss()
    for (const socket of sockets) socket.destroy()
    const each = (after - before) / 1024 / count
    bench.line(`| ${count} ${name} | ${mib(before)} | ${mib(after)} | ${each.toFixed(each < 10 ? 1 : 0)} |`)
    await server.kill()
  }

  await measure('downloads of one object in the cache', downloads, async ({ url }) =>
    sipping(await stalledClient(`${url}/bytes/${length}`)),
  )
  await measure('downloads of an object each, none cached', downloads, async ({ url }, i) =>
    sipping(await stalledClient(`${url}/bytes/${length}?${i}`)),
  )
  bench.line('')
}

/** Takes a little now and then: what has arrived beyond that waits in the sockets, as with a slow line. */
function sipping(socket: Socket): Socket {
  const timer = setInterval(() => socket.read(Math.min(SIP, socket.readableLength)), SIP_INTERVAL)
  return socket.once('readable', () => {}).once('close', () => clearInterval(timer))
}
