import t from 'tap'
import { connect, get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { type Server, startServer } from '../../helpers/server.ts'

const MiB = 1024 * 1024
const L1 = 8 * MiB
/** URLs of each round. A leak of 1 KiB for each would be 10 MiB a round. */
const URLS = 10_000

t.test(
  'E42 many distinct URLs, stored or not: a second round needs no more memory than the first',
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
    for (let round = 0; round < 3; round++) {
      await askAll(server, round)
      sizes.push(server.rss())
    }
    t.comment(sizes.map((bytes) => `${Math.round(bytes / MiB)} MiB`).join(', '))
    t.ok(sizes[2] - sizes[1] < 8 * MiB, `${(sizes[2] - sizes[1]) / MiB} MiB more`)
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
