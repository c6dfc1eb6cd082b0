import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { bigOrigin, patternCheck } from '../../helpers/big-origin.ts'
import { get, stalledClient } from '../../helpers/client.ts'
import { startServer } from '../../helpers/server.ts'

const MiB = 1024 * 1024
const L1 = 16 * MiB
const CLIENTS = 500
/** Of resident memory, over what the memory tier may use. */
const MOST_PER_CLIENT = 256 * 1024
/**
 * What the first ones cost includes what the process keeps once for all its clients, when nobody shares their transfers: the
 * slices in the making (32 MiB) and garbage that V8 has not collected yet. Measured 200 to 460 KiB for each of 500.
 */
const MOST_PER_FIRST_CLIENT = 640 * 1024

for (const [name, cacheControl, pathOf, mostAtFirst] of [
  ['one object', 'max-age=3600', () => '/object', MOST_PER_CLIENT],
  ['an object each', 'max-age=3600', (i: number) => `/object/${i}`, MOST_PER_FIRST_CLIENT],
  ['an object each that may not be stored', 'no-store', (i: number) => `/object/${i}`, MOST_PER_FIRST_CLIENT],
] as const) {
  t.test(`E39 500 clients that never read, and 500 more, 1 GB, ${name}`, async (t) => {
    const origin = await bigOrigin(t, { size: 1024 * MiB, cacheControl })
    const server = await startServer(t, {
      upstream_address: origin.url,
      l1_cache_size_bytes: L1,
      enable_l2_cache: false,
    })
    // What V8 keeps once for the process shall be there before.
    await get(`${server.url}/stream`, { range: `bytes=0-${512 * MiB - 1}`, onData() {} })
    const sockets: Awaited<ReturnType<typeof stalledClient>>[] = []
    let before = server.rss() + L1

    for (const [which, most] of [
      ['first', mostAtFirst],
      ['further', MOST_PER_CLIENT],
    ] as const) {
      const from = sockets.length
      const urls = Array.from({ length: CLIENTS }, (_, i) => server.url + pathOf(from + i))
      sockets.push(...(await Promise.all(urls.map((url) => stalledClient(url)))))
      let sent = -1
      while (sent !== origin.bytesSent) {
        sent = origin.bytesSent
        await wait(700)
      }
      const each = (server.rss() - before) / CLIENTS
      t.comment(`${name}: ${Math.round(each / 1024)} KiB for each of the ${which} ${CLIENTS}`)
      t.ok(each <= most, `${Math.round(each / 1024)} KiB each`)
      before = server.rss()
    }

    const check = patternCheck(5 * MiB)
    const range = `bytes=${5 * MiB}-${6 * MiB}`
    const answer = await get(`${server.url}/another`, { range, onData: check.onData })
    t.equal(answer.length, MiB + 1)
    t.ok(check.right, 'others are served meanwhile')
    for (const socket of sockets) socket.destroy()
  })
}
