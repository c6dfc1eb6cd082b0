import fc from 'fast-check'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { get, slowClient } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { SLICE, startLending } from './lending.ts'
import { faultOf, rangeHeader, type Spec } from './ranges/expected.ts'

const file = bytesOf(61, 12 * SLICE + 12_345)

for (const readsAhead of [false, true]) {
  const name = readsAhead ? ', reading ahead' : ''

  t.test(
    `clients of any pace get the right bytes of lent memory, and all is given back${name}`,
    async (t) => {
      const { url, store, origin, allReturned } = await startLending(t, file, { readsAhead })
      const answers = await Promise.all([
        ...Array.from({ length: 10 }, () => get(`${url}/file`)),
        ...Array.from({ length: 4 }, () => slowClient(`${url}/file`, 8 * 1024 * 1024)),
      ])
      for (const { body } of answers) t.ok(body.equals(file))
      t.ok(store.mostLentBytes >= SLICE, 'it was lent')
      t.equal(origin.requests.length, 1)
      await allReturned()
    },
  )

  t.test(`any ranges, from lent memory, are the origin's bytes${name}`, async (t) => {
    const { url, store, origin, allReturned } = await startLending(t, file, { readsAhead })
    const offset = fc.oneof(
      fc.nat(file.length - 1),
      fc.tuple(fc.nat(12), fc.integer({ min: -2, max: 2 })).map(([i, by]) => Math.max(0, i * SLICE + by)),
    )
    const spec: fc.Arbitrary<Spec> = fc.oneof(
      fc.tuple(offset, offset).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
      fc.tuple(offset, fc.nat(5000)).map(([first, more]) => ({ first, last: first + more })),
      offset.map((first) => ({ first, last: null })),
      fc.integer({ min: 1, max: 2 * SLICE }).map((suffix) => ({ suffix })),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(spec, { minLength: 1, maxLength: 4 }), async (specs) => {
        const answer = await get(`${url}/file`, { range: rangeHeader(specs) })
        const overlap = answer.status === 200 || answer.status === 206
        const fault = faultOf(answer, file, specs)
        return overlap && (fault === undefined || /twice/.test(fault))
      }),
      { numRuns: 30 },
    )
    t.equal(origin.requests.length, 1)
    t.ok(
      store.reads.some(({ part }) => part !== undefined),
      'parts of slices were read',
    )
    await allReturned()
  })

  t.test(`what asks for no bytes leaves nothing lent${name}`, async (t) => {
    const { url, store, allReturned } = await startLending(t, file, { readsAhead })
    const etag = (await get(`${url}/file`, { method: 'HEAD' })).header('etag')!
    t.equal((await get(`${url}/file`, { headers: { 'If-None-Match': etag } })).status, 304)
    t.equal((await get(`${url}/file`, { headers: { 'If-Match': '"other"' } })).status, 412)
    t.equal((await get(`${url}/file`, { range: `bytes=${file.length}-` })).status, 416)
    t.equal((await get(`${url}/file`, { range: 'bytes=0-0', headers: { 'If-Range': etag } })).status, 206)
    t.ok(store.mostLentBytes < SLICE)
    await allReturned()
  })

  t.test(`slices that are lost on the way come from the origin, between lent ones${name}`, async (t) => {
    const { url, store, origin, allReturned } = await startLending(t, file, { readsAhead })
    store.lose((index) => index % 5 === 3)
    for (const range of [undefined, `bytes=${SLICE + 5}-${file.length - 9}`]) {
      const { body } = await get(`${url}/file`, { range })
      t.ok(body.equals(range ? file.subarray(SLICE + 5, file.length - 8) : file))
    }
    origin.use((_request, exchange) => exchange.reset())
    const { complete, body } = await get(`${url}/file`)
    t.notOk(complete, 'nor does one that is cut because of them leave anything lent')
    t.ok(body.equals(file.subarray(0, body.length)))
    await allReturned()
  })
}

t.test('what memory keeps of a lent slice is a copy, and nobody shares the loan', async (t) => {
  // Of this size every object may lie in memory.
  const l1 = 16 * file.length
  const { url, store, fastify, allReturned } = await startLending(t, file, { l1, readsAhead: true })
  await fastify.l1!.clear()
  store.reads.length = 0
  const answers = await Promise.all(Array.from({ length: 8 }, () => get(`${url}/file`)))
  for (const { body } of answers) t.ok(body.equals(file))
  await allReturned()
  const reads = store.reads.length
  t.ok((await get(`${url}/file`)).body.equals(file))
  t.equal(store.reads.length, reads, 'the second time from memory')
})

t.test('clients that read one object in step share reads, and each gets right bytes', async (t) => {
  const { url, store, counters, allReturned } = await startLending(t, file)
  const go = Promise.withResolvers<void>()
  store.beforeRead = () => go.promise
  store.reads.length = 0
  const range = `bytes=0-${SLICE - 1}`
  const asking = Promise.all(Array.from({ length: 5 }, () => get(`${url}/file`, { range })))
  await until(() => counters.requestsNow === 5)
  go.resolve()
  for (const { body } of await asking) t.ok(body.equals(file.subarray(0, SLICE)))
  t.equal(store.reads.length, 1)
  t.equal(store.mostLentBytes, SLICE)
  await allReturned()
})
