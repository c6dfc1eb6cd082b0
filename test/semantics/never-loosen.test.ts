import fc from 'fast-check'
import t from 'tap'
import type { FieldList } from '../../lib/semantics/types.ts'
import { dateAt, NOW } from './heads.ts'
import { ALLOWED, isNoLooser, uses } from './probes.ts'
import { storedHead, useOf } from './verdict.ts'

/** What is added to a Cache-Control never makes more of a response reusable; the directives that may are named here. */

const seconds = fc.constantFrom('0', '5', '20', '60', '3600', '', '-1', '1.5', 'x', '"5"', '99999999999')
const strict = fc.oneof(
  fc.constantFrom(
    'no-store',
    'no-cache',
    'private',
    'private=""',
    'no-cache=""',
    'proxy-revalidate',
    'no-transform',
  ),
  fc.constantFrom('NO-STORE', 'No-Cache', 'only-if-cached', 'no-cache="x-b"', 'private="x-b"', 'private=x-b'),
)
const garbage = fc.oneof(
  fc.constantFrom('foo', 'foo=bar', 'max-agee=5', '=', ';', '(', 'ext="public"', 'ext="a, no-store"'),
  fc
    .string({ unit: fc.constantFrom('a', '=', ' ', '\t', '\\', '5', ';', '\xff', '\0', '-') })
    .map((text) => `x${text}`),
)
/** Each makes something allowed that was not: see the second test. */
const loosening = fc.oneof(
  fc.constantFrom('public', 'must-revalidate', 'must-understand', 'immutable', 'private="set-cookie"'),
  fc
    .tuple(fc.constantFrom('max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'), seconds)
    .map((parts) => parts.join('=')),
)
const cacheControl = fc.array(fc.oneof(loosening, strict, garbage), { maxLength: 5 })

const others = fc.constantFrom<FieldList[]>(
  [],
  ['ETag', '"a"'],
  ['Last-Modified', dateAt(-1000)],
  ['Expires', dateAt(30), 'Vary', 'X-A'],
  ['Age', '3', 'Set-Cookie', 'a=b'],
  ['Pragma', 'no-cache', 'ETag', '"a"'],
)
const status = fc.constantFrom(200, 302, 404, 500, 599)
const request = fc.constantFrom<FieldList[]>([], ['Authorization', 'Basic eDp5'], ['X-A', '1'])

function withPolicy(members: string[], fields: FieldList): FieldList {
  return [
    'Date',
    dateAt(0),
    ...(members.length === 0 ? [] : ['Cache-Control', members.join(', ')]),
    ...fields,
  ]
}

function property(added: fc.Arbitrary<string>, base: fc.Arbitrary<string[]> = cacheControl) {
  return fc.property(
    base,
    added,
    fc.nat(5),
    others,
    status,
    request,
    (members, member, at, fields, status, request) => {
      const more = members.toSpliced(Math.min(at, members.length), 0, member)
      const before = uses(request, { status, fields: withPolicy(members, fields) })
      const after = uses(request, { status, fields: withPolicy(more, fields) })
      if (!isNoLooser(after, before))
        throw new Error(`${more.join(', ')} allows more than ${members.join(', ')}`)
    },
  )
}

t.test('a restriction, an unknown directive, or what is none, added anywhere, allows nothing', async () => {
  fc.assert(property(fc.oneof(strict, garbage)), { numRuns: 2000 })
})

t.test('what is no directive but begins like one allows nothing', async () => {
  const malformed = fc.constantFrom(
    'public;no-store',
    'public no-cache',
    'immutable x',
    'must-understand;',
    'pub lic',
  )
  fc.assert(property(malformed), { numRuns: 1000 })
})

t.test('a directive that is there already, with whatever value, allows nothing more', async () => {
  for (const name of ['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error']) {
    const stated = cacheControl.chain((members) => seconds.map((value) => [...members, `${name}=${value}`]))
    fc.assert(
      property(
        seconds.map((value) => `${name}=${value}`),
        stated,
      ),
      { numRuns: 500 },
    )
  }
  for (const name of ['public', 'must-revalidate', 'must-understand', 'immutable']) {
    fc.assert(
      property(
        fc.constant(name),
        cacheControl.map((members) => [...members, name]),
      ),
      { numRuns: 300 },
    )
  }
})

t.test(
  'what a directive may allow: one that says how long, that it is for all, or what it means',
  async (t) => {
    const rows: [string, FieldList, FieldList][] = [
      ['max-age=60', [], []],
      ['s-maxage=60', ['Cache-Control', 'max-age=5'], []],
      ['stale-while-revalidate=60', ['Cache-Control', 'max-age=5'], []],
      ['stale-if-error=60', ['Cache-Control', 'max-age=5'], []],
      ['public', ['Cache-Control', 'max-age=60'], ['Authorization', 'Basic eDp5']],
      ['must-revalidate', ['Cache-Control', 'max-age=60'], ['Authorization', 'Basic eDp5']],
      ['must-understand', ['Cache-Control', 'max-age=60, no-store'], []],
      ['immutable', ['Cache-Control', 'max-age=60'], []],
      ['private="set-cookie"', ['Last-Modified', dateAt(-1000), 'Set-Cookie', 'a=b'], []],
    ]
    for (const [member, fields, request] of rows) {
      const response = (all: FieldList) => ({ status: 200, fields: ['Date', dateAt(0), ...all] })
      const before = uses(request, response(fields))
      const after = uses(request, response([...fields, 'Cache-Control', member]))
      t.notOk(isNoLooser(after, before), member)
    }
  },
)

t.test(
  'of those, the ones that say nothing of a lifetime or of who may store make no response fresh for longer',
  async () => {
    const windows = fc.constantFrom('stale-while-revalidate=60', 'stale-if-error=60', 'must-revalidate')
    fc.assert(
      fc.property(cacheControl, windows, others, status, (members, member, fields, status) => {
        const freshUntil = (all: string[]) =>
          storedHead([], {
            status,
            fields: withPolicy(all, fields),
            requestTime: NOW,
            responseTime: NOW,
            order: 0,
          })?.freshUntil ?? 0
        const before = freshUntil(members)
        if (before !== 0 && freshUntil([...members, member]) > before)
          throw new Error(`${members} and ${member}`)
      }),
    )
  },
)

t.test('a request allows more only with max-stale', async () => {
  const directive = fc.oneof(
    fc.tuple(fc.constantFrom('max-age', 'min-fresh'), seconds).map((parts) => parts.join('=')),
    fc.constantFrom(
      'no-cache',
      'no-store',
      'only-if-cached',
      'no-transform',
      'No-Cache',
      'no-cache="a"',
      'max-age',
      'min-fresh',
    ),
    garbage,
  )
  const stale = fc.oneof(
    seconds.map((value) => `max-stale=${value}`),
    fc.constant('max-stale'),
  )
  const members = fc.array(fc.oneof(directive, stale), { minLength: 1, maxLength: 4 })
  const later = fc.constantFrom(0, 6, 30, 61, 90, 100_000)
  fc.assert(
    fc.property(cacheControl, others, members, directive, later, (policy, fields, members, member, later) => {
      const head = storedHead([], {
        status: 200,
        fields: withPolicy(policy, fields),
        requestTime: NOW,
        responseTime: NOW,
        order: 0,
      })
      const use = (all: string[]) =>
        ALLOWED[useOf(head, ['Cache-Control', all.join(', '), 'X-A', '1'], NOW + later * 1000)]
      if (use([...members, member]) > use(members))
        throw new Error(`${member} added to ${members.join(', ')}`)
      if (use([member, ...members]) > use(members)) throw new Error(`${member} before ${members.join(', ')}`)
    }),
    { numRuns: 2000 },
  )
})
