import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { faultOf, partsOf, type Spec } from './expected.ts'

const S = 64 * 1024
const file = bytesOf(12, 4 * S + 1000)
const N = file.length

/** Every range is asked for on an object of its own (cold), again (warm), and on one that is stored whole. */
const SINGLE: [range: string, spec: Spec, expected: string | 416 | 200][] = [
  ['bytes=0-0', { first: 0, last: 0 }, `bytes 0-0/${N}`],
  ['bytes=-1', { suffix: 1 }, `bytes ${N - 1}-${N - 1}/${N}`],
  [`bytes=-${N}`, { suffix: N }, `bytes 0-${N - 1}/${N}`],
  [`bytes=-${N + 5}`, { suffix: N + 5 }, `bytes 0-${N - 1}/${N}`],
  ['bytes=-99999999999999999999', { suffix: N }, `bytes 0-${N - 1}/${N}`],
  ['bytes=0-', { first: 0, last: null }, `bytes 0-${N - 1}/${N}`],
  [`bytes=${S}-`, { first: S, last: null }, `bytes ${S}-${N - 1}/${N}`],
  [`bytes=${N - 1}-`, { first: N - 1, last: null }, `bytes ${N - 1}-${N - 1}/${N}`],
  [`bytes=100-${N + 1000}`, { first: 100, last: N }, `bytes 100-${N - 1}/${N}`],
  ['bytes=100-99999999999999999999', { first: 100, last: N }, `bytes 100-${N - 1}/${N}`],
  [`bytes=${N}-`, { first: N, last: null }, 416],
  [`bytes=${N}-${N}`, { first: N, last: N }, 416],
  [`bytes=${10 * N}-`, { first: 10 * N, last: null }, 416],
  ['bytes=99999999999999999999-', { first: 10 * N, last: null }, 416],
  ['bytes=-0', { suffix: 0 }, 416],
  ['bytes=', { suffix: 0 }, 416],
  ['bytes=abc', { first: 0, last: null }, 200],
  ['bytes=5-2', { first: 0, last: null }, 200],
  ['bytes=1-2x', { first: 0, last: null }, 200],
  ['lines=1-2', { first: 0, last: null }, 200],
]

for (const [range, spec, expected] of SINGLE) {
  t.test(`B14: ${range} of ${N} bytes`, async (t) => {
    const origin = await fileOrigin(t, { '/cold': file, '/whole': file })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    await get(`${proxy.url}/whole`)
    for (const path of ['/cold', '/cold', '/whole']) {
      const answer = await get(proxy.url + path, { range })
      t.equal(faultOf(answer, file, [spec]), undefined, path)
      if (typeof expected === 'string') t.equal(answer.header('content-range'), expected, path)
      else t.equal(answer.status, expected, path)
    }
    t.ok((await get(`${proxy.url}/cold`)).body.equals(file), 'whole afterwards')
  })
}

t.test('B14: a 416 of the origin does not make the object uncacheable', async (t) => {
  const origin = await fileOrigin(t, { '/f': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  t.equal((await get(`${proxy.url}/f`, { range: `bytes=${10 * N}-` })).status, 416)
  t.equal((await get(`${proxy.url}/f`, { range: 'bytes=0-9' })).header('x-cache'), 'MISS')
  t.equal((await get(`${proxy.url}/f`, { range: 'bytes=0-9' })).header('x-cache'), 'HIT')
  t.equal(proxy.counters.uncacheableAnswers, 0)
})

const SEVERAL: [range: string, specs: Spec[], parts: [number, number][]][] = [
  [
    'bytes=0-9,20-29',
    [
      { first: 0, last: 9 },
      { first: 20, last: 29 },
    ],
    [
      [0, 9],
      [20, 29],
    ],
  ],
  // As asked for, not sorted; overlapping and touching ones are merged.
  [
    `bytes=${3 * S}-${3 * S + 9},5-6`,
    [
      { first: 3 * S, last: 3 * S + 9 },
      { first: 5, last: 6 },
    ],
    [
      [3 * S, 3 * S + 9],
      [5, 6],
    ],
  ],
  ['bytes=0-10,5-20', [{ first: 0, last: 20 }], [[0, 20]]],
  ['bytes=0-10,11-20', [{ first: 0, last: 20 }], [[0, 20]]],
  [
    'bytes=100-200,50-120,-5',
    [{ first: 50, last: 200 }, { suffix: 5 }],
    [
      [50, 200],
      [N - 5, N - 1],
    ],
  ],
  [`bytes=${N}-,7-8`, [{ first: 7, last: 8 }], [[7, 8]]],
  [
    `bytes=${S - 1}-${S},${2 * S - 1}-${2 * S}`,
    [
      { first: S - 1, last: S },
      { first: 2 * S - 1, last: 2 * S },
    ],
    [
      [S - 1, S],
      [2 * S - 1, 2 * S],
    ],
  ],
  [
    `bytes=0-${2 * S},${3 * S}-`,
    [
      { first: 0, last: 2 * S },
      { first: 3 * S, last: null },
    ],
    [
      [0, 2 * S],
      [3 * S, N - 1],
    ],
  ],
]

for (const [range, specs, parts] of SEVERAL) {
  t.test(`B14: several ranges: ${range}`, async (t) => {
    const origin = await fileOrigin(t, { '/cold': file, '/whole': file }, { type: 'video/x-test' })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    await get(`${proxy.url}/whole`)
    for (const path of ['/cold', '/cold', '/whole']) {
      const answer = await get(proxy.url + path, { range })
      t.equal(answer.status, 206)
      t.equal(faultOf(answer, file, specs), undefined, path)
      t.same(
        partsOf(answer).map(({ first, last }) => [first, last]),
        parts,
      )
      t.equal(answer.framing, 'length', 'with an exact Content-Length')
      if (parts.length > 1) t.match(answer.body.toString('latin1'), /Content-Type: video\/x-test\r\n/)
    }
  })
}

t.test('B14: more ranges than the limit: the whole representation', async (t) => {
  const origin = await fileOrigin(t, { '/f': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const list = (count: number) =>
    `bytes=${Array.from({ length: count }, (_, i) => `${i * 10}-${i * 10}`).join(',')}`
  t.equal(partsOf(await get(`${proxy.url}/f`, { range: list(16) })).length, 16)
  const answer = await get(`${proxy.url}/f`, { range: list(17) })
  t.equal(answer.status, 200)
  t.ok(answer.body.equals(file))
})

t.test('B14: HEAD and other methods have no ranges', async (t) => {
  const origin = await fileOrigin(t, { '/f': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  await get(`${proxy.url}/f`)
  const head = await get(`${proxy.url}/f`, { method: 'HEAD', range: 'bytes=0-9' })
  t.match(head, { status: 200, length: 0 })
  t.equal(head.header('content-length'), String(N))
})
