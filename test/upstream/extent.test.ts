import fc from 'fast-check'
import t from 'tap'
import { type AskedRange, extentOf, rangeField } from '../../lib/upstream/extent.ts'

function response(status: number, fields: Record<string, string | number>) {
  const list = Object.entries(fields).flatMap(([name, value]) => [name, String(value)])
  return { status, fields: list, requestTime: 0, responseTime: 0, order: 0 }
}

const offset = fc.integer({ min: 0, max: 2 ** 40 })

t.test('what is asked for, as a Range field', async (t) => {
  t.equal(rangeField({ first: 0, last: 65535 }), 'bytes=0-65535')
  t.equal(rangeField({ first: 65536, last: null }), 'bytes=65536-')
  t.equal(rangeField({ suffix: 65536 }), 'bytes=-65536')
})

t.test(
  'a 206 is taken when it is exactly what was asked for, cut at the end of the representation',
  async () => {
    fc.assert(
      fc.property(offset, offset, offset, fc.boolean(), (a, b, more, open) => {
        const first = Math.min(a, b)
        const length = first + 1 + more
        const asked: AskedRange = { first, last: open ? null : Math.max(a, b) }
        const last = Math.min(asked.last ?? length - 1, length - 1)
        const extent = extentOf(
          response(206, {
            'Content-Range': `bytes ${first}-${last}/${length}`,
            'Content-Length': last - first + 1,
          }),
          'GET',
          asked,
        )
        return (
          extent?.start === first &&
          extent.end === last + 1 &&
          extent.length === length &&
          !extent.closeDelimited
        )
      }),
    )
  },
)

t.test('a 206 is refused when anything in it is different', async () => {
  const shift = fc.integer({ min: -3, max: 3 })
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 1000 }),
      fc.tuple(shift, shift, shift),
      (first, [begin, end, size]) => {
        const last = first + 99
        const length = last + 100
        const extent = extentOf(
          response(206, {
            'Content-Range': `bytes ${first + begin}-${last + end}/${length}`,
            'Content-Length': 100 + size,
          }),
          'GET',
          { first, last },
        )
        return (extent !== undefined) === (begin === 0 && end === 0 && size === 0)
      },
    ),
  )
})

t.test('a suffix begins so many bytes before the end, or at the beginning', async (t) => {
  const whole = response(206, { 'Content-Range': 'bytes 0-99/100' })
  t.match(extentOf(whole, 'GET', { suffix: 500 }), { start: 0, end: 100, length: 100 })
  const part = response(206, { 'Content-Range': 'bytes 60-99/100' })
  t.match(extentOf(part, 'GET', { suffix: 40 }), { start: 60, end: 100, length: 100 })
  t.equal(extentOf(part, 'GET', { suffix: 41 }), undefined)
})

t.test('a 206 that tells no place, no total or several parts is refused', async (t) => {
  const asked = { first: 0, last: 9 }
  for (const value of [
    'bytes 0-9/*',
    'bytes */10',
    'lines 0-9/10',
    'bytes 0-9',
    'bytes 0-9/9',
    'bytes 9-0/10',
    '',
  ])
    t.equal(extentOf(response(206, { 'Content-Range': value }), 'GET', asked), undefined, value)
  t.equal(extentOf(response(206, {}), 'GET', asked), undefined)
  t.equal(
    extentOf(response(206, { 'Content-Range': 'bytes 0-9/10' }), 'GET', null),
    undefined,
    'not asked for',
  )
})

t.test('a 200 is the whole, whatever was asked for', async (t) => {
  for (const asked of [null, { first: 100, last: 199 }, { suffix: 5 }]) {
    t.same(extentOf(response(200, { 'Content-Length': 1000 }), 'GET', asked), {
      start: 0,
      end: 1000,
      length: 1000,
      closeDelimited: false,
    })
  }
})

t.test('without a length only the end tells, and with neither framing not even that', async (t) => {
  const chunked = response(200, { 'Transfer-Encoding': 'chunked' })
  t.same(extentOf(chunked, 'GET', null), { start: 0, end: null, length: null, closeDelimited: false })
  t.same(extentOf(response(200, {}), 'GET', null), {
    start: 0,
    end: null,
    length: null,
    closeDelimited: true,
  })
  // RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length.
  const both = response(200, { 'Transfer-Encoding': 'chunked', 'Content-Length': 5 })
  t.match(extentOf(both, 'GET', null), { end: null, length: null })
})

t.test('a Content-Length that is no number is refused', async (t) => {
  for (const value of ['-1', '1.5', '0x10', 'ten', '', '5, 6', '99999999999999999999'])
    t.equal(extentOf(response(200, { 'Content-Length': value }), 'GET', null), undefined, value)
})

t.test('responses without a body have none, whatever their fields say', async (t) => {
  t.match(extentOf(response(200, { 'Content-Length': 1000 }), 'HEAD', null), {
    start: 0,
    end: 0,
    length: 1000,
  })
  t.match(extentOf(response(204, {}), 'GET', null), { start: 0, end: 0, closeDelimited: false })
  t.match(extentOf(response(304, { 'Content-Length': 1000 }), 'GET', null), { start: 0, end: 0 })
})
