import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { connect, get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { createRandom, type Random } from '../helpers/random.ts'
import { startServer } from '../helpers/server.ts'
import { troubledOrigin } from '../proxy/random-faults/origin.ts'
import { createResources } from '../proxy/random-faults/resources.ts'
import { metric } from './metric.ts'

// For a day: SEED=7 SOAK_SECONDS=86400 node test/server/leaks.test.ts
const SEED = Number(process.env.SEED ?? 1)
const SECONDS = Number(process.env.SOAK_SECONDS ?? 5)
const CLIENTS = 16

t.setTimeout((4 * SECONDS + 600) * 1000)

for (const backend of ['file', 'raw_disk'] as const) {
  t.test(
    `H65 after random faults no descriptor, request or fill is left over, with ${backend}`,
    async (t) => {
      const random = createRandom(SEED)
      const resources = createResources(random, 16)
      const trouble = { on: true }
      const origin = await startOrigin(
        t,
        troubledOrigin(createRandom(random.below(2 ** 32)), resources, trouble),
      )
      const server = await startServer(t, {
        upstream_address: origin.url,
        slice_size: 65_536,
        l1_cache_size_bytes: 4 * 1024 * 1024,
        l2_backend: backend,
        raw_disk_cache: { device_path: './raw', total_size: 64 * 1024 * 1024, self_test: true },
        purge: { enabled: true, auth_token: 't' },
        upstream: { headers_timeout_ms: 3000, body_timeout_ms: 3000 },
      })
      const figure = (name: string) => metric(server.metrics, name)
      const settles = async (name: string) => {
        while ((await figure(name)) !== 0) await wait(50)
      }

      async function client(random: Random, seconds: number): Promise<void> {
        const end = performance.now() + seconds * 1000
        while (performance.now() < end) {
          const { path, varies } = random.pick(resources)
          const headers: Record<string, string> = varies ? { 'X-Variant': String(random.below(3)) } : {}
          if (random.chance(0.3)) headers.Range = `bytes=${random.below(500_000)}-`
          if (random.chance(0.05)) headers['X-Purge-Tag'] = `at${path}`
          const purges = headers['X-Purge-Tag'] !== undefined
          const connection = await connect(server.url)
          const leaving = random.chance(0.3) ? setTimeout(connection.close, random.below(60)) : undefined
          const method = purges ? 'PURGE' : random.pick(['GET', 'GET', 'GET', 'HEAD', 'POST'])
          if (purges) headers['X-Purge-Token'] = 't'
          await connection.request(path, { method, headers }).catch(() => {})
          clearTimeout(leaving)
          connection.close()
        }
      }
      const run = (seconds: number) =>
        Promise.all(
          Array.from({ length: CLIENTS }, () => client(createRandom(random.below(2 ** 32)), seconds)),
        )

      /** Descriptors when nothing is under way and no connection is kept. */
      async function atRest(): Promise<number> {
        trouble.on = false
        await settles('http_requests_in_progress')
        await settles('fills_in_progress')
        origin.dropConnections()
        await settles('client_connections')
        if (backend === 'file') await settles('cache_l2_pending_bytes')
        let least = Number.POSITIVE_INFINITY
        // Files are closed a little later than what was read of them; those of slices stay open for 10 s.
        const looks = backend === 'file' ? 120 : 10
        for (let look = 0; look < looks; look++, await wait(100))
          least = Math.min(least, descriptors(server.pid))
        trouble.on = true
        return least
      }

      // Warm: what the process opens once for all is open.
      await run(1)
      const before = await atRest()
      await run(SECONDS)
      const after = await atRest()
      t.ok(after <= before + 3, `${before} descriptors before, ${after} after`)
      t.ok((await figure('bytes_to_clients_total')) > 0)
      if (backend === 'raw_disk') {
        t.equal(await figure('raw_disk_lent_bytes'), 0)
        t.equal(await figure('raw_disk_self_test_failures_total'), 0, 'blocks: used, free and dead are all')
      }
      t.notMatch(server.stderr, /Warning|Error/, 'no listener or timer piles up')
      t.equal((await get(`${server.health}/live`)).status, 200)
    },
  )
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
