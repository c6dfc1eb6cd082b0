import t from 'tap'
import { connect, get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { type Server, startServer } from '../../helpers/server.ts'

const MiB = 1024 * 1024
const L1 = 8 * MiB
const ROUNDS = 6
/** URLs of each round. In the first ones heap and tables grow; a leak of 2 KiB for each would then be 24 MiB in two. */
const URLS = 6000

t.test(
  'E42 many distinct URLs, stored or not: later rounds need no more memory than the ones before',
  async (t) => {
    const origin = await startOrigin(t, (request, exchange) => {
      const cacheControl = request.target.startsWith('/private') ? 'private' : 'max-age=60'
      return exchange.respond({
        fields: { 'Cache-Control': cacheControl },
        body: `body of ${request.target}`,
      })
    })
    const server = await startServer(t, {
      upstream_address: origin.url,
      l1_cache_size_bytes: L1,
      enable_l2_cache: false,
    })
    const sizes: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      await askAll(server, round)
      sizes.push(server.rss())
    }
    t.comment(sizes.map((bytes) => `${Math.round(bytes / MiB)} MiB`).join(', '))
    const more = sizes[ROUNDS - 1] - sizes[ROUNDS - 3]
    t.ok(more < 20 * MiB, `${more / MiB} MiB more`)
    const metrics = (await get(`${server.metrics}/metrics`)).body.toString()
    const l1Bytes = Number(/^cache_l1_bytes (\d+)/m.exec(metrics)![1])
    t.ok(l1Bytes > 0 && l1Bytes <= L1)
  },
)

async function askAll(server: Server, round: number): Promise<void> {
  let next = 0
  const client = async () => {
    const connection = await connect(server.url)
    while (next < URLS) {
      const target = `/${next % 2 ? 'private' : 'public'}/${round}/${next++}`
      const { body } = await connection.request(target)
      if (body.toString() !== `body of ${target}`) throw new Error(`${target} got ${body}`)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: 16 }, client))
}
