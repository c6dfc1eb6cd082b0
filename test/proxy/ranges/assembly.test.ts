import fc from 'fast-check'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { faultOf, rangeHeader, type Spec } from './expected.ts'

const S = 64 * 1024

/** Offsets near the slice boundaries matter most. */
function offsets(sliceSize: number): fc.Arbitrary<number> {
  const nearBoundary = fc
    .tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: -2, max: 2 }))
    .map(([slice, shift]) => Math.max(0, slice * sliceSize + shift))
  return fc.oneof(nearBoundary, fc.integer({ min: 0, max: 5 * sliceSize }))
}

function specs(sliceSize: number): fc.Arbitrary<Spec> {
  const offset = offsets(sliceSize)
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(offset, offset).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
    },
    { weight: 1, arbitrary: offset.map((first) => ({ first, last: null })) },
    { weight: 1, arbitrary: offset.map((suffix) => ({ suffix })) },
  )
}

for (const sliceSize of [S, 100_000]) {
  for (const tier of ['memory', 'disk'] as const) {
    t.test(
      `B11: any size, ranges and cached slices of ${sliceSize} bytes on ${tier}: the origin's bytes`,
      async (t) => {
        const origin = await fileOrigin(t, {})
        const proxy = await startProxy(t, {
          upstream: origin.url,
          sliceSize,
          l1: tier === 'memory' ? 64 * 1024 * 1024 : 0,
          l2: tier === 'disk' ? 256 * 1024 * 1024 : 0,
        })
        let run = 0
        await fc.assert(
          fc.asyncProperty(
            offsets(sliceSize),
            fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
            fc.array(fc.array(specs(sliceSize), { minLength: 1, maxLength: 4 }), {
              minLength: 1,
              maxLength: 3,
            }),
            async (size, cached, requests) => {
              const path = `/${++run}`
              const file = bytesOf(run, size)
              origin.files[path] = file
              for (const index of cached) {
                const spec = { first: index * sliceSize, last: index * sliceSize }
                const fault = faultOf(await get(proxy.url + path, { range: rangeHeader([spec]) }), file, [
                  spec,
                ])
                if (fault) throw new Error(`slice ${index} of ${size} bytes: ${fault}`)
              }
              for (const specs of requests) {
                const range = rangeHeader(specs)
                for (const turn of ['first', 'second']) {
                  const fault = faultOf(await get(proxy.url + path, { range }), file, specs)
                  if (fault) throw new Error(`${range} of ${size} bytes, ${turn} time: ${fault}`)
                }
              }
              const whole = await get(proxy.url + path)
              if (!whole.complete || !whole.body.equals(file)) throw new Error(`all ${size} bytes`)
            },
          ),
          { numRuns: 150 },
        )
        t.pass(`${run} files`)
      },
    )
  }
}

t.test('B11: clients that ask for overlapping ranges at once, cold', async (t) => {
  const file = bytesOf(9, 8 * S + 55)
  const origin = await fileOrigin(t, { '/f': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const wanted: Spec[] = Array.from({ length: 40 }, (_, i) => ({
    first: i * 13_000,
    last: i * 13_000 + 70_000,
  }))
  const answers = await Promise.all(
    wanted.map((spec) => get(`${proxy.url}/f`, { range: rangeHeader([spec]) })),
  )
  for (const [i, answer] of answers.entries()) t.equal(faultOf(answer, file, [wanted[i]]), undefined)
})

t.test('B12: a range across two cached slices is one whole answer (nginx#1065)', async (t) => {
  const file = bytesOf(10, 3 * S)
  const origin = await fileOrigin(t, { '/f': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  for (const index of [0, 1]) await get(`${proxy.url}/f`, { range: `bytes=${index * S}-${index * S}` })
  t.equal(origin.requests.length, 2)
  for (const [first, last] of [
    [S - 1, S],
    [0, 2 * S - 1],
    [100, 2 * S - 100],
  ]) {
    const answer = await get(`${proxy.url}/f`, { range: `bytes=${first}-${last}` })
    t.match(answer, { status: 206, complete: true, length: last - first + 1 })
    t.equal(answer.header('content-range'), `bytes ${first}-${last}/${file.length}`)
    t.equal(answer.header('x-cache'), 'HIT')
    t.ok(answer.body.equals(file.subarray(first, last + 1)))
  }
  t.equal(origin.requests.length, 2)
})

t.test(
  'B12: cached, missing, cached, missing: only what is missing is fetched, a run by one request',
  async (t) => {
    const file = bytesOf(11, 8 * S)
    const origin = await fileOrigin(t, { '/f': file })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    for (const index of [0, 3, 4]) await get(`${proxy.url}/f`, { range: `bytes=${index * S}-${index * S}` })
    const answer = await get(`${proxy.url}/f`)
    t.ok(answer.complete && answer.body.equals(file))
    t.same(
      origin.requests.slice(3).map((request) => request.header('range')),
      [`bytes=${S}-${3 * S - 1}`, `bytes=${5 * S}-${8 * S - 1}`],
    )
  },
)
