import fc from 'fast-check'
import t from 'tap'
import type { FieldList } from '../../lib/semantics/types.ts'
import { dateAt, NOW } from './heads.ts'
import { uses } from './probes.ts'
import { storedHead, useOf } from './verdict.ts'

/** How a field is written says nothing: whitespace, case where it has no meaning, lines, the order of directives. */

const seconds = fc.constantFrom('0', '5', '60', '3600', '-1', '1.5')
const directive = fc.oneof(
  fc.constantFrom(
    'no-store',
    'no-cache',
    'private',
    'public',
    'must-revalidate',
    'proxy-revalidate',
    'immutable',
  ),
  fc.constantFrom(
    'must-understand',
    'private="set-cookie, x-b"',
    'no-cache="x-b"',
    'foo',
    'ext="a, no-store"',
  ),
  fc
    .tuple(fc.constantFrom('max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'), seconds)
    .map((parts) => parts.join('=')),
)
const cacheControl = fc.array(directive, { minLength: 1, maxLength: 5 })
const others = fc.constantFrom<FieldList[]>(
  ['ETag', '"a"'],
  ['Last-Modified', dateAt(-1000), 'Set-Cookie', 'a=b'],
  ['Expires', dateAt(30), 'Age', '3', 'Vary', 'X-A'],
)

const blank = fc.constantFrom('', ' ', '\t', ' \t ')
/** Numbers that choose how a text is written otherwise. */
const choices = fc.infiniteStream(fc.nat(1000))
type Choices = Iterator<number>

const pick = (choices: Choices, count: number): number => choices.next().value % count
const space = (choices: Choices): string => ['', ' ', '\t', '  '][pick(choices, 4)]
const anyCase = (text: string, choices: Choices): string =>
  text.replace(/[a-z]/gi, (letter) => (pick(choices, 2) === 0 ? letter.toLowerCase() : letter.toUpperCase()))

/** A member with its name in another case, blanks around it and around `=`. */
function respelt(member: string, choices: Choices): string {
  const [, name, argument] = /^([^=]*)(?:=(.*))?$/s.exec(member)!
  const value = argument === undefined ? '' : `${space(choices)}=${space(choices)}${argument}`
  return space(choices) + anyCase(name, choices) + value + space(choices)
}

/** The members over as many lines of the field as are chosen, with empty members between them. */
function overLines(name: string, members: string[], choices: Choices): FieldList {
  const fields: FieldList = [name, '']
  for (const member of members) {
    const joined =
      fields.at(-1) === '' ? member : `${fields.at(-1)},${pick(choices, 4) === 0 ? ' ,' : ''}${member}`
    if (pick(choices, 3) === 0) fields.push(anyCase(name, choices), member)
    else fields[fields.length - 1] = joined
  }
  return fields
}

function same(plain: FieldList, written: FieldList, request: FieldList = []): void {
  const response = (fields: FieldList) => ({ status: 200, fields: ['Date', dateAt(0), ...fields] })
  const expected = uses(request, response(plain))
  if (String(uses(request, response(written))) !== String(expected)) {
    throw new Error(`not the same: ${JSON.stringify(plain)} and ${JSON.stringify(written)}`)
  }
}

t.test('Cache-Control of a response', async () => {
  fc.assert(
    fc.property(cacheControl, others, choices, (members, fields, choices) => {
      const written = members.map((member) => respelt(member, choices))
      same(
        ['Cache-Control', members.join(','), ...fields],
        [...fields, ...overLines('Cache-Control', written, choices)],
      )
    }),
    { numRuns: 1000 },
  )
})

t.test('the order of directives', async () => {
  const shuffled = cacheControl.chain((members) =>
    fc.tuple(fc.constant(members), fc.shuffledSubarray(members, { minLength: members.length })),
  )
  fc.assert(
    fc.property(shuffled, others, ([members, other], fields) =>
      same(['Cache-Control', members.join(), ...fields], ['Cache-Control', other.join(), ...fields]),
    ),
    { numRuns: 1000 },
  )
})

t.test('Cache-Control of a request', async () => {
  const directives = fc.array(
    fc.oneof(
      fc.constantFrom('no-cache', 'max-stale', 'no-store', 'foo'),
      fc.tuple(fc.constantFrom('max-age', 'min-fresh', 'max-stale'), seconds).map((parts) => parts.join('=')),
    ),
    { minLength: 1, maxLength: 4 },
  )
  const later = fc.constantFrom(0, 6, 61, 90)
  const fields = ['Date', dateAt(0), 'Cache-Control', 'max-age=60', 'ETag', '"a"']
  const head = storedHead([], { status: 200, fields, requestTime: NOW, responseTime: NOW, order: 0 })
  fc.assert(
    fc.property(directives, later, choices, (members, later, choices) => {
      const written = overLines(
        'Cache-Control',
        members.map((member) => respelt(member, choices)),
        choices,
      )
      const use = (request: FieldList) => useOf(head, request, NOW + later * 1000)
      if (use(written) !== use(['Cache-Control', members.join()])) throw new Error(JSON.stringify(written))
    }),
    { numRuns: 1000 },
  )
})

t.test('fields of one value, with blanks around it', async () => {
  const field = fc.constantFrom(
    ...['Expires', 'Last-Modified'].map((name) => [name, dateAt(-100)]),
    ...[
      ['Expires', dateAt(100)],
      ['Age', '30'],
      ['ETag', 'W/"a"'],
      ['Pragma', 'no-cache'],
      ['Vary', '*'],
      ['Vary', 'X-A'],
    ],
  )
  fc.assert(
    fc.property(field, blank, blank, choices, ([name, value], before, after, choices) => {
      const policy = ['Cache-Control', 'stale-while-revalidate=60', 'Last-Modified', dateAt(-1000)]
      same([name, value, ...policy], [anyCase(name, choices), before + value + after, ...policy])
    }),
  )
})

t.test('Vary, and the preferences of a request', async (t) => {
  const member = fc.constantFrom('gzip', 'br', 'gzip;q=0.5', 'identity;q=0', 'en', 'de-CH;q=0.8', '*;q=0.1')
  const members = fc.uniqueArray(member, { minLength: 1, maxLength: 4 })
  const name = fc.constantFrom('Accept-Encoding', 'Accept-Language')
  const written = (members: string[], choices: Choices) =>
    members.map((member) => {
      const [coding, weight] = member.split(';')
      const blanks = space(choices) + anyCase(coding, choices) + space(choices)
      return weight === undefined
        ? blanks
        : `${blanks};${space(choices)}${anyCase(weight, choices)}${space(choices)}`
    })
  fc.assert(
    fc.property(name, members, choices, (name, members, choices) => {
      const vary = overLines('Vary', [respelt(name, choices), 'X-B'], choices)
      const fields = ['Date', dateAt(0), 'Cache-Control', 'max-age=60', ...vary]
      const head = storedHead([name, members.join()], {
        status: 200,
        fields,
        requestTime: NOW,
        responseTime: NOW,
        order: 0,
      })
      const reordered = written(pick(choices, 2) === 0 ? members : members.toReversed(), choices)
      const request = overLines(name, reordered, choices)
      if (useOf(head, request, NOW) !== 'fresh')
        throw new Error(`${JSON.stringify(request)} is not ${members}`)
    }),
    { numRuns: 1000 },
  )
  const fields = ['Date', dateAt(0), 'Cache-Control', 'max-age=60', 'Vary', 'Accept-Encoding']
  const stored = (text: string) =>
    storedHead(['Accept-Encoding', text], {
      status: 200,
      fields,
      requestTime: NOW,
      responseTime: NOW,
      order: 0,
    })
  t.equal(
    useOf(stored('br, gzip'), ['Accept-Encoding', 'br;q=1.0, gzip;q=1'], NOW),
    'fresh',
    'a weight of 1 is none',
  )
  t.equal(useOf(stored('a, a-b'), ['Accept-Encoding', 'a-b, a;q=1'], NOW), 'fresh', 'in any order')
  t.equal(
    useOf(stored('gzip;q=0.5'), ['Accept-Encoding', 'gzip'], NOW),
    'fetch',
    'another weight is another wish',
  )
})

t.test('a blank inside a name is not one around it', async (t) => {
  const fields = ['Date', dateAt(0), 'Cache-Control', 'max-age=60', 'Vary', 'Accept-Encoding']
  const head = storedHead(['Accept-Encoding', 'gz ip'], {
    status: 200,
    fields,
    requestTime: NOW,
    responseTime: NOW,
    order: 0,
  })
  t.equal(useOf(head, ['Accept-Encoding', 'gzip'], NOW), 'fetch')
})
