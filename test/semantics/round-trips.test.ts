import fc from 'fast-check'
import t from 'tap'
import { formatHttpDate, parseHttpDate } from '../../lib/semantics/dates.ts'
import { cacheGroups } from '../../lib/semantics/groups.ts'
import { cacheKey, normalisedPath } from '../../lib/semantics/key.ts'
import { contentRange, parseContentRange, parseRange } from '../../lib/semantics/ranges.ts'
import { type Item, parseDictionary, parseList } from '../../lib/semantics/structured-fields.ts'
import { etagsIn, parseEtag, strongMatch, weakMatch } from '../../lib/semantics/validators.ts'
import { varyNames } from '../../lib/semantics/vary.ts'
import { headOf, NOW } from './heads.ts'

/** What is written in the grammar of a field is read as it was meant, and close to the grammar is not in it. */

// Dates

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

/** A whole second of a year with four digits. */
const second = fc
  .integer({ min: Date.UTC(1000, 0) / 1000, max: Date.UTC(9999, 11, 31) / 1000 })
  .map((s) => s * 1000)
/** One that two digits of a year can say: within 49 years of now. */
const nearSecond = fc.integer({ min: -49 * 31_536_000, max: 49 * 31_536_000 }).map((s) => NOW + s * 1000)

function rfc850(ms: number): string {
  const [, date, month, year, time] = new Date(ms).toUTCString().split(' ')
  return `${DAYS[new Date(ms).getUTCDay()]}, ${date}-${month}-${year.slice(2)} ${time} GMT`
}

function asctime(ms: number): string {
  const [day, date, month, year, time] = new Date(ms).toUTCString().split(' ')
  return `${day.slice(0, 3)} ${month} ${date.replace(/^0/, ' ')} ${time} ${year}`
}

t.test('every second is read in each of the three formats of a date', async (t) => {
  fc.assert(fc.property(second, (ms) => parseHttpDate(formatHttpDate(ms), NOW) === ms))
  fc.assert(fc.property(second, (ms) => parseHttpDate(asctime(ms), NOW) === ms))
  fc.assert(fc.property(nearSecond, (ms) => parseHttpDate(rfc850(ms), NOW) === ms))
  t.pass()
})

t.test('a date with a character more or less is none', async () => {
  const date = fc.oneof(second.map(formatHttpDate), second.map(asctime), nearSecond.map(rfc850))
  fc.assert(
    fc.property(
      date,
      fc.nat(40),
      (text, at) => parseHttpDate(text.slice(0, at % text.length), NOW) === undefined,
    ),
  )
  fc.assert(
    fc.property(date, fc.nat(40), (text, at) => {
      const index = at % text.length
      return parseHttpDate(text.slice(0, index) + text.slice(index + 1), NOW) === undefined
    }),
  )
  fc.assert(
    fc.property(
      date,
      fc.nat(40),
      fc.string({ minLength: 1, maxLength: 3, unit: 'binary' }),
      (text, at, more) => {
        const index = at % (text.length + 1)
        return parseHttpDate(text.slice(0, index) + more + text.slice(index), NOW) === undefined
      },
    ),
  )
})

// Age

t.test('an Age of digits counts, with whatever member behind it; anything else does not', async (t) => {
  const ageOf = (text: string) => headOf(['Cache-Control', 'max-age=60', 'Age', text]).initialAge / 1000
  const behind = fc.constantFrom('', ' ', ', 5', ' ,x', ',', ', "')
  fc.assert(fc.property(fc.nat(2 ** 31 - 1), behind, (age, more) => t.equal(ageOf(`${age}${more}`), age)))
  const odd = fc.constantFrom('-', '+', '.', 'e1', ';', '"', 'x', '\0', '\u0661', ' 1')
  fc.assert(fc.property(fc.nat(), odd, (age, odd) => t.equal(ageOf(`${age}${odd}`), 0)))
  fc.assert(
    fc.property(fc.nat(), odd, (age, odd) => t.equal(ageOf(`${odd.trim()}, ${age}`), odd === ' 1' ? 1 : 0)),
  )
})

// Structured fields (RFC 9651)

const key = fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,8}$/)
const item = fc.oneof(
  fc
    .integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 })
    .map((value): [string, Item] => [String(value), { type: 'integer', value: value === 0 ? 0 : value }]),
  fc
    .tuple(fc.integer({ min: -999_999_999_999, max: 999_999_999_999 }), fc.integer({ min: 0, max: 999 }))
    .map(([whole, part]): [string, Item] => {
      const text = `${whole}.${part}`
      return [text, { type: 'decimal', value: Number(text) === 0 ? 0 : Number(text) }]
    }),
  fc
    .stringMatching(/^[ -~]{0,12}$/)
    .map((value): [string, Item] => [`"${value.replace(/["\\]/g, '\\$&')}"`, { type: 'string', value }]),
  fc
    .stringMatching(/^[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]{0,8}$/)
    .map((value): [string, Item] => [value, { type: 'token', value }]),
  fc.boolean().map((value): [string, Item] => [value ? '?1' : '?0', { type: 'boolean', value }]),
  fc
    .constantFrom(':aGVsbG8=:', '@1659578233', '%"f%c3%bc"', '(a "b" 1;q=1)', '()')
    .map((text): [string, Item] => [text, { type: 'other', value: null }]),
)
const parameters = fc.constantFrom('', ';a', ';a=1', '; a="x,y";b', ';q=?0')
const blanks = fc.constantFrom('', ' ', '\t', '  ')
const member = fc.tuple(item, parameters)

t.test('structured lists and dictionaries are read as they were written', async (t) => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 5 }), blanks, blanks, (members, before, after) => {
      const text = members.map(([[text], parameters]) => text + parameters).join(`${before},${after}`)
      t.same(
        parseList(text),
        members.map(([[, item]]) => item),
      )
    }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(key, fc.option(member)), { maxLength: 5 }),
      blanks,
      blanks,
      (members, before, after) => {
        const expected = new Map<string, Item>()
        for (const [key, value] of members)
          expected.set(key, value === null ? { type: 'boolean', value: true } : value[0][1])
        const text = members
          .map(([key, value]) => (value === null ? key : `${key}=${value[0][0]}${value[1]}`))
          .join(`${before},${after}`)
        t.same(parseDictionary(text), expected)
      },
    ),
  )
})

t.test('a malformed member spoils the whole field', async () => {
  const malformed = fc.constantFrom(
    ...[
      'A=1',
      '1a',
      'a=',
      'a==1',
      'a=1 b',
      'a=1.',
      'a=1.2345',
      'a=--1',
      'a="x',
      'a="\\x"',
      'a="\xff"',
      "a='x'",
      'a=?2',
      'a=:x',
    ],
    ...[
      'a=(1',
      'a=(1,2)',
      'a=(1)2',
      'a=1234567890123456',
      'a=1234567890123.0',
      'a;',
      'a;B',
      'a;b=',
      ' ,',
      '',
      'a=@1.5',
      'a=é',
    ],
  )
  const wellFormed = fc.array(key, { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(wellFormed, malformed, fc.nat(3), (members, spoilt, at) => {
      return (
        parseDictionary(members.toSpliced(Math.min(at, members.length), 0, spoilt).join(', ')) === undefined
      )
    }),
  )
})

t.test('cache groups are strings, each once; of other types they are left out', async (t) => {
  fc.assert(
    fc.property(fc.array(item, { maxLength: 6 }), (items) => {
      const strings = items
        .filter(([, { type }]) => type === 'string')
        .map(([, { value }]) => value as string)
      t.same(cacheGroups(['Cache-Groups', items.map(([text]) => text).join(', ')]), [...new Set(strings)])
    }),
  )
})

// Validators

const opaque = fc.stringMatching(/^[!#-~\x80-\xff]{0,8}$/)
const etag = fc.tuple(fc.boolean(), opaque).map(([weak, opaque]) => `${weak ? 'W/' : ''}"${opaque}"`)

t.test('entity-tags with any character that they may have are found in a list, and compared', async (t) => {
  fc.assert(
    fc.property(fc.array(etag, { maxLength: 6 }), blanks, (etags, blank) =>
      t.same(etagsIn(etags.join(`${blank},${blank}`)), etags),
    ),
  )
  fc.assert(
    fc.property(etag, etag, (a, b) => {
      const same = parseEtag(a)!.opaque === parseEtag(b)!.opaque
      t.equal(weakMatch(a, b), same)
      t.equal(strongMatch(a, b), same && !a.startsWith('W/') && !b.startsWith('W/'))
      t.ok(weakMatch(a, a))
    }),
  )
})

t.test('what has no quotes, or a blank or a control character between them, is no entity-tag', async (t) => {
  fc.assert(fc.property(opaque, (text) => t.equal(parseEtag(text), undefined)))
  fc.assert(
    fc.property(
      opaque,
      fc.constantFrom('"', ' ', '\t', '\0', '\x7f', '\u0100', '\ud800'),
      opaque,
      (a, bad, b) => t.equal(parseEtag(`"${a}${bad}${b}"`), undefined),
    ),
  )
})

// Ranges

t.test('the bytes of the ranges that are sent are those that were asked for, each once', async (t) => {
  const spec = fc.oneof(
    fc.tuple(fc.nat(40), fc.nat(40)).map(([first, more]) => ({
      text: `${first}-${first + more}`,
      has: (i: number) => i >= first && i <= first + more,
    })),
    fc.nat(40).map((first) => ({ text: `${first}-`, has: (i: number) => i >= first })),
    fc
      .nat(40)
      .map((suffix) => ({ text: `-${suffix}`, has: (i: number, length: number) => i >= length - suffix })),
  )
  fc.assert(
    fc.property(
      fc.array(spec, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 40 }),
      (specs, length) => {
        const asked = Array.from({ length }, (_, i) => i).filter((i) =>
          specs.some(({ has }) => has(i, length)),
        )
        const decision = parseRange(`bytes=${specs.map(({ text }) => text).join(',')}`, length)
        if (asked.length === 0) return t.equal(decision.kind, 'unsatisfiable')
        if (decision.kind !== 'ranges') return t.fail(`${decision.kind} for ${asked.length} bytes`)
        const sent = decision.ranges.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, i) => first + i),
        )
        t.same(
          sent.toSorted((a, b) => a - b),
          asked,
        )
      },
    ),
  )
})

t.test('a Content-Range says what it was made of, and nothing that cannot be', async (t) => {
  const position = fc.nat(Number.MAX_SAFE_INTEGER)
  fc.assert(
    fc.property(position, position, fc.option(position), (first, last, length) => {
      const possible = first <= last && (length === null || last < length)
      t.same(
        parseContentRange(contentRange(first, last, length)),
        possible ? { first, last, length } : undefined,
      )
    }),
  )
})

// Vary and keys

t.test(
  'the names of Vary in any case, order and number are a sorted set; one that is no name makes it *',
  async (t) => {
    const name = fc.stringMatching(/^[A-Za-z0-9-]{1,8}$/)
    fc.assert(
      fc.property(
        fc.array(name, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('', '*', 'a b', 'a;b', '"a"', 'é', '\0'),
        (names, odd) => {
          const expected = odd === '' ? [...new Set(names.map((name) => name.toLowerCase()))].sort() : '*'
          t.same(varyNames(['Vary', [...names, odd].join(', ')]), expected)
        },
      ),
    )
  },
)

t.test('paths are equal in the key when RFC 3986 calls them equivalent, and only then', async (t) => {
  const character = fc.integer({ min: 0x21, max: 0xff })
  const encoded = (code: number, upper: boolean) => {
    const hex = code.toString(16).padStart(2, '0')
    return `%${upper ? hex.toUpperCase() : hex}`
  }
  fc.assert(
    fc.property(character, (code) =>
      t.equal(normalisedPath(encoded(code, true)), normalisedPath(encoded(code, false))),
    ),
  )
  fc.assert(
    fc.property(character, (code) => {
      const plain = String.fromCharCode(code)
      const equivalent = /[A-Za-z0-9_~-]/.test(plain)
      t.equal(normalisedPath(encoded(code, true)) === plain, equivalent, plain)
    }),
  )
})

t.test('a path is not read twice', async (t) => {
  const part = fc.constantFrom('/', '%', '%25', '%34', '%31', '%7', '1', '4', '7', 'E', '%45')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const once = normalisedPath(parts.join(''))
      t.equal(normalisedPath(once), once)
    }),
    { numRuns: 1000 },
  )
})

t.test('no two targets have one key', async (t) => {
  const part = fc.string({ unit: fc.constantFrom('a', 'b', ':', '1', '/', '?') })
  const target = fc.record({
    scheme: fc.constantFrom('http', 'https'),
    authority: part,
    path: part.map((path) => `/${path}`),
  })
  const options = { includeHost: true, ignoreQuery: false, queryAllowlist: null }
  fc.assert(
    fc.property(target, target, (a, b) => {
      const same = a.scheme === b.scheme && a.authority === b.authority && a.path === b.path
      t.equal(cacheKey(a, options) === cacheKey(b, options), same)
    }),
  )
})
