import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { type Answer, get, type RequestOptions } from '../../helpers/client.ts'
import { createRandom } from '../../helpers/random.ts'
import { startService } from '../../helpers/service.ts'
import { until } from '../../helpers/until.ts'

const S = 64 * 1024
const SIZE = 9 * S + 777
const PATHS = ['/a', '/b', '/c', '/d']
const CONTROLS = [
  'max-age=60',
  'max-age=0, stale-while-revalidate=1',
  'no-cache',
  'max-age=60',
  'private',
  '',
]
const seed = Number(process.env.SEED ?? 1)
const seconds = Number(process.env.SOAK_SECONDS ?? 3)

const random = createRandom(seed)
const versions = new Map(PATHS.map((path) => [path, 1]))

/** Every version of every path has bytes of its own. */
function bodyOf(path: string, version: number): Buffer {
  return bytesOf(PATHS.indexOf(path) * 1000 + version, SIZE)
}

async function* pieces(body: Buffer): AsyncGenerator<Buffer> {
  const breaksAt = random.chance(0.15) ? random.below(body.length) : Number.POSITIVE_INFINITY
  for (let at = 0; at < body.length; ) {
    const next = at + 1 + random.below(150_000)
    if (next > breaksAt) throw new Error('the route breaks midway')
    if (random.chance(0.3)) await wait(random.below(5))
    yield body.subarray(at, next)
    at = next
  }
}

function planRequest(): RequestOptions {
  const headers: Record<string, string> = {}
  if (random.chance(0.1)) headers['If-None-Match'] = `"${1 + random.below(20)}"`
  if (random.chance(0.1)) headers.Cookie = 'user=1'
  const first = random.below(SIZE + 10)
  const last = first + random.below(3 * S)
  const range = random.pick([
    undefined,
    undefined,
    `bytes=${first}-${last}`,
    `bytes=${first}-`,
    `bytes=-${1 + first}`,
  ])
  const method = random.pick(['GET', 'GET', 'GET', 'GET', 'GET', 'HEAD', 'POST'])
  const abortAfter = random.chance(0.15) ? 1 + random.below(SIZE) : undefined
  return { headers, method, abortAfter, range: method === 'GET' ? range : undefined, timeout: 90_000 }
}

/** What is wrong with an answer; undefined when nothing is. */
function judge(path: string, { method }: RequestOptions, answer: Answer): string | undefined {
  const { status, body, complete } = answer
  if (!complete || status === 304 || method !== 'GET') return undefined
  const version = Number(answer.header('etag')?.slice(1, -1))
  if (status === 416) return undefined
  if (status === 200) return body.equals(bodyOf(path, version)) ? undefined : 'other bytes'
  if (status === 206) {
    const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(answer.header('content-range')!)!.map(Number)
    return body.equals(bodyOf(path, version).subarray(first, last + 1)) ? undefined : 'other bytes of a part'
  }
  return status === 500 || status === 502 ? undefined : `status ${status}`
}

t.test(
  `whatever routes and clients do, no client gets a wrong byte (SEED=${seed})`,
  { timeout: 300_000 + seconds * 1000 },
  async (t) => {
    const { url, fastify, counters } = await startService(
      t,
      (fastify) => {
        fastify.get('/:name', async (request, reply) => {
          const path = request.url
          if (random.chance(0.1)) await wait(random.below(10))
          if (random.chance(0.03)) throw new Error('the route breaks')
          const version = versions.get(path)!
          const body = bodyOf(path, version)
          reply.headers({ etag: `"${version}"`, 'cache-control': random.pick(CONTROLS) })
          if (request.headers['if-none-match'] === `"${version}"`) return reply.code(304).send()
          const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
          const matches = [undefined, `"${version}"`].includes(
            request.headers['if-range'] as string | undefined,
          )
          if (from !== undefined && matches && Number(from) < SIZE && random.chance(0.7)) {
            const last = Math.min(Number(to), SIZE - 1)
            reply.code(206).header('content-range', `bytes ${from}-${last}/${SIZE}`)
            return reply.send(body.subarray(Number(from), last + 1))
          }
          if (random.chance(0.7)) reply.header('content-length', SIZE)
          return reply.send(random.chance(0.3) ? body : Readable.from(pieces(body)))
        })
        fastify.post('/:name', async (request) => {
          versions.set(request.url, versions.get(request.url)! + 1)
          return { done: true }
        })
      },
      { sliceSize: S, l1: 4 * 1024 * 1024, l2: 16 * 1024 * 1024 },
    )
    const wrong: string[] = []
    const statuses: Record<string, number> = {}
    const end = Date.now() + seconds * 1000
    async function client(): Promise<void> {
      while (Date.now() < end) {
        const path = random.pick(PATHS)
        const plan = planRequest()
        const answer = await get(`${url}${path}`, plan)
        const kind = `${answer.status} ${answer.header('x-cache')}${answer.complete ? '' : ' cut'}`
        statuses[kind] = (statuses[kind] ?? 0) + 1
        const reason = judge(path, plan, answer)
        if (reason) wrong.push(`${path} ${JSON.stringify(plan)}: ${reason}; ${answer.fields.join(' ')}`)
        if (random.chance(0.02)) await fastify.routeCache!.purge(`${url}${path}`)
      }
    }
    await Promise.all(Array.from({ length: 16 }, client))
    t.comment(statuses)
    t.same(wrong, [])
    await until(() => counters.requestsNow === 0 && counters.fillsNow === 0)
    t.pass('nothing is left running')
  },
)
