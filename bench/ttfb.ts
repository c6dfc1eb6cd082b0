import { setTimeout as wait } from 'node:timers/promises'
import { connect } from '../test/helpers/client.ts'
import { startServer } from '../test/helpers/server.ts'
import { type Bench, figure, MIB, percentile, startBenchOrigin } from './harness.ts'

/** What the proxy adds to the time to the first byte, against the same origin asked directly in the same run. */
export async function benchTtfb(bench: Bench): Promise<void> {
  const origin = await startBenchOrigin(bench.scope)
  const server = await startServer(bench.scope, { upstream_address: origin, log_level: 'warn' })
  await addedTtfb(bench, origin, server.url)
  await slowOrigin(bench, origin, server.url)
  await server.kill()
}

async function addedTtfb(bench: Bench, origin: string, proxy: string): Promise<void> {
  const rounds = bench.smoke ? 20 : 1500
  const warmUp = bench.smoke ? 5 : 300
  bench.line('## Time to the first byte')
  bench.line('')
  bench.line(
    `${rounds} rounds, one request at a time on connections that stay open; in each round the origin directly, the`,
  )
  bench.line(
    'proxy with an object that it has in memory, and the proxy with one that it has never seen, in turn. Milliseconds.',
  )
  bench.line('')
  bench.line('| object | asked | p50 | p99 | added p50 | added p99 |')
  bench.line('|---|---|---|---|---|---|')
  for (const length of [1024, MIB]) {
    const direct = await connect(origin)
    const missing = await connect(proxy)
    const hitting = await connect(proxy)
    const times = { origin: [] as number[], hit: [] as number[], miss: [] as number[] }
    for (let round = -warmUp; round < rounds; round++) {
      const target = `/bytes/${length}`
      const answers = {
        origin: await direct.request(target),
        hit: await hitting.request(target),
        miss: await missing.request(`${target}?never=${round + warmUp}`),
      }
      // A large miss is still on its way to the disk: none of that belongs to the next round.
      if (length === MIB) await wait(10)
      if (round < 0) continue
      expectCache(answers.miss.header('x-cache'), 'MISS')
      expectCache(answers.hit.header('x-cache'), 'HIT')
      for (const [name, answer] of Object.entries(answers))
        times[name as keyof typeof times].push(answer.ttfb)
    }
    const name = length === MIB ? '1 MiB' : '1 KiB'
    const base = { p50: percentile(times.origin, 0.5), p99: percentile(times.origin, 0.99) }
    bench.line(`| ${name} | origin | ${figure(base.p50)} | ${figure(base.p99)} | | |`)
    for (const kind of ['hit', 'miss'] as const) {
      const p50 = percentile(times[kind], 0.5)
      const p99 = percentile(times[kind], 0.99)
      const added = `${figure(p50 - base.p50)} | ${figure(p99 - base.p99)}`
      bench.line(`| ${name} | proxy, ${kind} | ${figure(p50)} | ${figure(p99)} | ${added} |`)
    }
    for (const connection of [direct, missing, hitting]) connection.close()
  }
  bench.line('')
}

/** The first body byte of an origin that takes 800 ms for 2 MiB: how long after the origin sent it does the client have it? */
async function slowOrigin(bench: Bench, origin: string, proxy: string): Promise<void> {
  const rounds = bench.smoke ? 1 : 30
  bench.line('## A slow origin')
  bench.line('')
  bench.line(
    `2 MiB over 800 ms, ${rounds} times. Milliseconds from the moment the origin sent its first body byte to the moment the`,
  )
  bench.line('client had it.')
  bench.line('')
  bench.line('| asked | p50 | largest |')
  bench.line('|---|---|---|')
  for (const [name, url] of [
    ['origin', origin],
    ['proxy', proxy],
  ]) {
    const connection = await connect(url)
    const delays: number[] = []
    for (let round = 0; round < rounds; round++) {
      let arrived = 0n
      let first = ''
      await connection.request(`/slow/${2 * MIB}?round=${round}`, {
        onData(piece) {
          if (arrived === 0n) arrived = process.hrtime.bigint()
          if (first.length < 20) first += piece.toString('latin1', 0, 20 - first.length)
        },
      })
      delays.push(Number(arrived - BigInt(first)) / 1e6)
    }
    connection.close()
    bench.line(`| ${name} | ${figure(percentile(delays, 0.5))} | ${figure(Math.max(...delays))} |`)
  }
  bench.line('')
}

function expectCache(value: string | undefined, expected: string): void {
  if (value !== expected) throw new Error(`X-Cache should be ${expected}, was ${value}`)
}
