import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { etagOf } from '../../helpers/file-response.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startServer } from '../../helpers/server.ts'

const S = 64 * 1024
const PIECE = 32 * 1024
const PIECE_MS = 8
/** Five rounds with five transfers each: the process dies at 25 different places of a transfer. */
const ROUNDS = 5
const STAGGERED = 5

t.test('A7: after kill -9 in the middle of transfers nothing partial is served', async (t) => {
  const files = new Map<string, Buffer>()
  for (let i = 0; i < ROUNDS * STAGGERED; i++) files.set(`/${i}`, bytesOf(100 + i, 12 * S + i * 1009))
  let slow = true
  const origin = await startOrigin(t, async (request, exchange) => {
    const file = files.get(request.target)!
    // Every other one without a validator: of those nothing may be left.
    const etag = Number(request.target.slice(1)) % 2 === 0 ? etagOf(file) : null
    if (!slow) return exchange.respondFile(file, { etag, lastModified: null })
    await exchange.head({
      fields: {
        ...(etag !== null && { ETag: etag }),
        'Cache-Control': 'max-age=3600',
        'Content-Length': String(file.length),
      },
    })
    await exchange.drip(file, PIECE, PIECE_MS)
  })
  const server = await startServer(t, {
    upstream_address: origin.url,
    slice_size: S,
    l2_cache_size_bytes: 64 * 1024 * 1024,
  })

  const paths = [...files.keys()]
  for (let round = 0; round < ROUNDS; round++) {
    slow = true
    const mine = paths.slice(round * STAGGERED, (round + 1) * STAGGERED)
    const cut: Promise<unknown>[] = []
    for (const path of mine) {
      cut.push(get(server.url + path).catch(() => {}))
      await wait(25 + round * 5)
    }
    t.equal(await server.kill('SIGKILL'), null)
    await Promise.all(cut)
    await origin.stop()
    await server.start()
    for (const path of mine) {
      const answer = await get(server.url + path)
      const file = files.get(path)!
      t.ok(answer.status !== 200 || !answer.complete || answer.body.equals(file), `${path}: origin down`)
      t.ok(
        answer.status !== 200 || answer.body.equals(file.subarray(0, answer.length)),
        `${path}: right bytes`,
      )
    }
    slow = false
    await origin.start()
    for (const path of mine) {
      for (const temperature of ['first', 'hit']) {
        const answer = await get(server.url + path)
        t.match(answer, { status: 200, complete: true }, `${path}: ${temperature}`)
        t.ok(answer.body.equals(files.get(path)!), `${path}: ${temperature}`)
      }
    }
  }
  const kept = origin.requests.filter((request) => !/^bytes=0-/.test(request.header('range') ?? 'bytes=0-'))
  t.ok(kept.length > 0, 'some slices did outlive the process')
  t.comment(`${kept.length} of ${files.size} transfers went on from slices on the disk`)
})
