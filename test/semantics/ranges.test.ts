import fc from 'fast-check'
import t from 'tap'
import {
  type ByteRange,
  closing,
  contentRange,
  multipartLength,
  parseContentRange,
  parseRange,
  parseRangeSpec,
  partHeader,
  resolveRanges,
  unsatisfiedRange,
} from '../../lib/semantics/ranges.ts'

const ranges = (...pairs: [number, number][]) => ({
  kind: 'ranges',
  ranges: pairs.map(([first, last]) => ({ first, last })),
})

t.test('first, open, suffix and clamped ranges of ten bytes', async (t) => {
  t.same(parseRange('bytes=0-0', 10), ranges([0, 0]))
  t.same(parseRange('bytes=4-', 10), ranges([4, 9]))
  t.same(parseRange('bytes=-3', 10), ranges([7, 9]))
  t.same(parseRange('bytes=-30', 10), ranges([0, 9]))
  t.same(parseRange('bytes=8-99', 10), ranges([8, 9]))
  t.same(parseRange('Bytes=9-9', 10), ranges([9, 9]))
  t.same(parseRange('bytes=0-99999999999999999999999999', 10), ranges([0, 9]))
  t.same(parseRange('bytes=, 0-1 ,\t, 5-6,', 10), ranges([0, 1], [5, 6]))
})

t.test('what cannot be satisfied is refused, but only when nothing can', async (t) => {
  for (const value of [
    'bytes=10-',
    'bytes=10-20',
    'bytes=-0',
    'bytes=',
    'bytes=,',
    'bytes=99999999999999999999-',
  ]) {
    t.same(parseRange(value, 10), { kind: 'unsatisfiable' }, value)
  }
  t.same(parseRange('bytes=99-,1-2', 10), ranges([1, 2]))
  t.same(parseRange('bytes=0-0', 0), { kind: 'unsatisfiable' })
})

t.test('no range, another unit and bad syntax mean the whole representation', async (t) => {
  for (const value of [
    ...[
      undefined,
      '',
      'items=0-1',
      'bytes',
      'bytes 0-1',
      'bytes=a-b',
      'bytes=5-4',
      'bytes=0-1;2-3',
      'bytes=-',
    ],
    ...['bytes=--1', 'bytes=1', 'bytes=+1-2', 'bytes=0x1-2', 'bytes=0-1,x', 'bytes=1.0-2', 'bytes =0-1'],
  ]) {
    t.same(parseRange(value, 10), { kind: 'none' }, String(value))
  }
  t.same(parseRange('bytes=-5', 0), { kind: 'none' }, 'all of nothing is a 200')
})

t.test('overlapping and touching ranges become one, at the place of the first mentioned', async (t) => {
  t.same(parseRange('bytes=0-2,2-4', 10), ranges([0, 4]))
  t.same(parseRange('bytes=0-2,3-4', 10), ranges([0, 4]))
  t.same(parseRange('bytes=8-9,0-1,5-8', 10), ranges([5, 9], [0, 1]))
  t.same(parseRange('bytes=0-,0-,0-,0-', 10), ranges([0, 9]))
})

t.test('too many ranges mean the whole representation, counted after merging', async (t) => {
  const spread = (n: number) => `bytes=${Array.from({ length: n }, (_, i) => `${i * 2}-${i * 2}`).join(',')}`
  t.equal(parseRange(spread(16), 100).kind, 'ranges')
  t.equal(parseRange(spread(17), 100).kind, 'none')
  t.equal(parseRange(spread(3), 100, 2).kind, 'none')
  t.same(parseRange(`bytes=${'0-,'.repeat(1000)}0-`, 100), ranges([0, 99]))
})

t.test('specs are kept until the length is known', async (t) => {
  const parsed = parseRangeSpec('bytes=1-2,-5,7-')
  t.same(parsed, { kind: 'specs', specs: [{ first: 1, last: 2 }, { suffix: 5 }, { first: 7, last: null }] })
  t.equal(parseRangeSpec(undefined).kind, 'none')
  t.equal(parseRangeSpec('bytes=x').kind, 'invalid')
  t.same(parseRangeSpec('bytes='), { kind: 'specs', specs: [] })
  t.same(resolveRanges([{ suffix: 5 }], 10), ranges([5, 9]))
})

const someSpec = fc.oneof(
  fc.tuple(fc.nat(60), fc.nat(60)).map(([first, extra]) => `${first}-${first + extra}`),
  fc.nat(60).map((first) => `${first}-`),
  fc.nat(60).map((suffix) => `-${suffix}`),
)

t.test('merged ranges are disjoint and cover the very bytes that were asked for', async (t) => {
  fc.assert(
    fc.property(
      fc.array(someSpec, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 50 }),
      (specs, length) => {
        const asked = new Set<number>()
        for (const spec of specs) {
          const one = parseRange(`bytes=${spec}`, length)
          if (one.kind === 'ranges') for (const byte of bytesOf(one.ranges)) asked.add(byte)
        }
        const all = parseRange(`bytes=${specs.join(',')}`, length)
        const sent = all.kind === 'ranges' ? bytesOf(all.ranges) : []
        t.equal(new Set(sent).size, sent.length, 'no byte twice')
        t.same([...sent].sort(), [...asked].sort())
      },
    ),
  )
})

t.test('every range of a representation comes back from its text', async (t) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.maxSafeNat(), (a, b, c) => {
      const [first, last, before] = [a, b, c].sort((x, y) => x - y)
      const length = Math.min(before + 1, Number.MAX_SAFE_INTEGER)
      if (last >= length) return
      t.same(parseRange(`bytes=${first}-${last}`, length), ranges([first, last]))
      t.same(parseContentRange(contentRange(first, last, length)), { first, last, length })
    }),
  )
})

t.test('no text makes the range parsers throw', async () => {
  const alphabet = fc.string({
    unit: fc.constantFrom('bytes=', 'bytes ', '0', '9', '-', ',', ' ', '*', '/', 'x'),
  })
  fc.assert(
    fc.property(alphabet, fc.nat(20), (value, length) => {
      parseRange(value, length)
      parseContentRange(value)
    }),
  )
})

t.test('Content-Range is read strictly', async (t) => {
  t.same(parseContentRange('bytes 0-9/10'), { first: 0, last: 9, length: 10 })
  t.same(parseContentRange('bytes 5-5/*'), { first: 5, last: 5, length: null })
  t.same(parseContentRange(unsatisfiedRange(10)), { unsatisfied: 10 })
  for (const value of [
    ...[
      undefined,
      '',
      'bytes 0-9',
      'bytes 0-9/9',
      'bytes 9-0/10',
      'bytes=0-9/10',
      'bytes  0-9/10',
      'items 0-9/10',
    ],
    ...[
      'bytes */*',
      'bytes -9/10',
      'bytes 0-/10',
      'bytes 0-9/10, bytes 0-9/10',
      'bytes 0-9/99999999999999999999',
    ],
  ]) {
    t.equal(parseContentRange(value), undefined, String(value))
  }
})

t.test('the length of a multipart body is that of the bytes produced', async (t) => {
  const range = fc.tuple(fc.nat(999), fc.nat(99)).map(([first, extra]) => ({ first, last: first + extra }))
  const contentType = fc.option(fc.constant('text/plain; charset=utf-8'), { nil: undefined })
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 5 }), contentType, (parts, type) => {
      const body = Buffer.concat([
        ...parts.flatMap((part) => [
          partHeader('B', type, part, 2000),
          Buffer.alloc(part.last - part.first + 1),
        ]),
        closing('B'),
      ])
      t.equal(multipartLength('B', type, parts, 2000), body.length)
    }),
  )
})

t.test('a part is framed as RFC 2046 says', async (t) => {
  const header = partHeader('B', 'text/plain', { first: 0, last: 1 }, 10).toString()
  t.equal(header, '\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n')
  t.equal(closing('B').toString(), '\r\n--B--\r\n')
})

function bytesOf(list: ByteRange[]): number[] {
  return list.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i))
}
