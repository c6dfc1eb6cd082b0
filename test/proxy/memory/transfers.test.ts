import t from 'tap'
import { bigOrigin, patternCheck } from '../../helpers/big-origin.ts'
import { get } from '../../helpers/client.ts'
import { startServer } from '../../helpers/server.ts'

const MiB = 1024 * 1024
const L1 = 32 * MiB
/** Of resident memory, over what the memory tier may use. */
const MOST = 64 * MiB

for (const [name, settings, cacheControl] of [
  ['memory tier', { enable_l2_cache: false }, 'max-age=3600'],
  ['memory and disk', { l2_cache_size_bytes: 256 * MiB }, 'max-age=3600'],
  ['nothing stored', { enable_l2_cache: false }, 'no-store'],
] as const) {
  t.test(`E39 1 GiB streamed through adds at most 64 MiB, ${name}`, async (t) => {
    const origin = await bigOrigin(t, { size: 1024 * MiB, cacheControl })
    const server = await startServer(t, {
      upstream_address: origin.url,
      l1_cache_size_bytes: L1,
      ...settings,
    })
    for (let i = 0; i < 20; i++) await get(`${server.url}/warm-up/${i}`, { range: 'bytes=0-1000000' })
    const before = server.rss()

    let most = 0
    const sampling = setInterval(() => (most = Math.max(most, server.rss())), 20)
    const check = patternCheck()
    const answer = await get(`${server.url}/object`, { onData: check.onData, timeout: 60_000 })
    clearInterval(sampling)

    t.match(answer, { status: 200, complete: true, length: 1024 * MiB })
    t.ok(check.right, 'every byte')
    const added = most - before - L1
    t.comment(`${name}: ${Math.round(added / MiB)} MiB over the memory tier`)
    t.ok(added <= MOST, `${Math.round(added / MiB)} MiB`)
  })
}
