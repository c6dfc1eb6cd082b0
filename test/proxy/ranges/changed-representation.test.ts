import t, { type Test } from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import type { FileOptions } from '../../helpers/file-response.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { faultOf } from './expected.ts'

const S = 64 * 1024
const FEBRUARY = 'Sun, 01 Feb 2026 00:00:00 GMT'
const old = bytesOf(20, 6 * S + 100)

interface Change {
  what: string
  bytes: Buffer
  before: FileOptions
  after: FileOptions
}

const CHANGES: Change[] = [
  { what: 'the ETag', bytes: bytesOf(21, old.length), before: { etag: '"1"' }, after: { etag: '"2"' } },
  {
    what: 'Last-Modified, without an ETag',
    bytes: bytesOf(21, old.length),
    before: { etag: null },
    after: { etag: null, lastModified: FEBRUARY },
  },
  {
    what: 'only the length, without an ETag',
    bytes: bytesOf(21, old.length + 1),
    before: { etag: null },
    after: { etag: null },
  },
  {
    what: 'only the length, under the same ETag',
    bytes: bytesOf(21, old.length - 1),
    before: { etag: '"1"' },
    after: { etag: '"1"' },
  },
  {
    what: 'a weak ETag',
    bytes: bytesOf(21, old.length),
    before: { etag: 'W/"1"' },
    after: { etag: 'W/"2"' },
  },
  {
    what: 'that it has no validator any more',
    bytes: bytesOf(21, old.length),
    before: {},
    after: { etag: null, lastModified: null },
  },
  {
    what: 'Content-Encoding',
    bytes: bytesOf(21, old.length),
    before: { etag: '"1"' },
    after: { etag: '"1"', fields: { 'Content-Encoding': 'gzip' } },
  },
  {
    what: 'that it is much shorter',
    bytes: bytesOf(21, S + 5),
    before: { etag: '"1"' },
    after: { etag: '"2"' },
  },
  { what: 'that it is empty', bytes: Buffer.alloc(0), before: { etag: '"1"' }, after: { etag: '"2"' } },
]

/** A proxy with slices 0 and 2 of a representation, which is then replaced at the origin. */
async function startChanged(t: Test, { bytes, before, after }: Change, tier: 'memory' | 'disk') {
  let changed = false
  const origin = await startOrigin(t, (_request, exchange) =>
    changed ? exchange.respondFile(bytes, after) : exchange.respondFile(old, before),
  )
  const proxy = await startProxy(t, {
    upstream: origin.url,
    sliceSize: S,
    l1: tier === 'memory' ? 64 * 1024 * 1024 : 0,
    l2: 64 * 1024 * 1024,
  })
  for (const index of [0, 2]) {
    const answer = await get(`${proxy.url}/f`, { range: `bytes=${index * S}-${index * S + 9}` })
    t.ok(answer.body.equals(old.subarray(index * S, index * S + 10)))
  }
  await proxy.l2!.flush()
  changed = true
  return { origin, proxy, url: `${proxy.url}/f` }
}

for (const tier of ['memory', 'disk'] as const) {
  for (const change of CHANGES) {
    t.test(
      `B15: ${change.what} changes between slices (${tier}): never mixed, then the new one`,
      async (t) => {
        const { proxy, url } = await startChanged(t, change, tier)
        const answer = await get(url)
        // The old first slice is already under way when the change shows: then only a cut is right.
        if (answer.complete) t.ok(answer.body.equals(change.bytes))
        else t.ok(answer.body.equals(old.subarray(0, answer.length)))
        t.ok(proxy.counters.identityRefusals > 0 || answer.complete)
        for (const turn of ['next', 'one after']) {
          const next = await get(url)
          t.match(next, { status: 200, complete: true }, turn)
          t.ok(next.body.equals(change.bytes), `${turn}: the new one`)
        }
        await proxy.l2!.flush()
        await proxy.restart()
        t.ok((await get(url)).body.equals(change.bytes), 'nothing of the old one comes back')
      },
    )

    t.test(`B15: ${change.what} changes and nothing is sent yet (${tier}): healed at once`, async (t) => {
      const { url } = await startChanged(t, change, tier)
      const spec = { first: S + 1, last: 2 * S + 10 }
      const answer = await get(url, { range: `bytes=${spec.first}-${spec.last}` })
      t.equal(faultOf(answer, change.bytes, [spec]), undefined)
      t.ok((await get(url)).body.equals(change.bytes))
    })
  }
}

t.test('B15: a change while a client is reading: cut, and other clients get the new one', async (t) => {
  const changed = bytesOf(22, old.length)
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respondFile(
      Number(request.header('range')?.slice(6).split('-')[0] ?? 0) < 3 * S ? old : changed,
    ),
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  await get(`${proxy.url}/f`, { range: `bytes=${2 * S}-${2 * S}` })
  const answer = await get(`${proxy.url}/f`)
  t.notOk(answer.complete)
  t.ok(answer.body.equals(old.subarray(0, answer.length)))
})

t.test('B16: content that shrinks below the wanted slice, and an origin that says 416 to it', async (t) => {
  const short = bytesOf(23, 1000)
  let shrunk = false
  const origin = await startOrigin(t, (request, exchange) => {
    if (!shrunk) return exchange.respondFile(old)
    // This one looks at Range before If-Range.
    const first = Number(request.header('range')?.slice(6).split('-')[0] ?? 0)
    if (first < short.length) return exchange.respondFile(short)
    return exchange.respond({ status: 416, fields: { 'Content-Range': `bytes */${short.length}` } })
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  await get(`${proxy.url}/f`, { range: 'bytes=0-9' })
  shrunk = true
  const spec = { first: 4 * S, last: 4 * S + 9 }
  const answer = await get(`${proxy.url}/f`, { range: `bytes=${spec.first}-${spec.last}` })
  t.equal(answer.status, 416)
  t.equal(faultOf(answer, short, [spec]), undefined)
  for (const range of ['bytes=-10', 'bytes=990-', undefined]) {
    const specs = range === 'bytes=-10' ? [{ suffix: 10 }] : [{ first: range ? 990 : 0, last: null }]
    t.equal(faultOf(await get(`${proxy.url}/f`, { range }), short, specs), undefined, `${range}`)
  }
})
