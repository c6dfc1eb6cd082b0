import t from 'tap'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'
import { type Behaviour, conform, date, type ExpectedFields, type Fields, type Step } from './behaviour.ts'

const FRESH: Fields = ['Cache-Control', 'max-age=60']
const long = `X-${'a'.repeat(1022)}`

/** Stored for the first request; whether the second one may have it. */
type Case = [what: string, vary: Fields, first: Fields, second: Fields, from: 'cache' | 'origin']

const twice = ([what, vary, first, second, from]: Case, section: string): Behaviour => ({
  name: `${what}: ${from === 'cache' ? 'a match' : 'no match'} (RFC ${section})`,
  steps: [
    { request: first, origin: { fields: [...FRESH, ...vary] }, from: 'origin' },
    { request: second, origin: { fields: [...FRESH, ...vary] }, from },
  ],
})

const on = (name: string): Fields => ['Vary', name]

const MATCHING: Case[] = [
  ['the same value', on('Foo'), ['Foo', '1'], ['Foo', '1'], 'cache'],
  ['another value', on('Foo'), ['Foo', '1'], ['Foo', '2'], 'origin'],
  ['absent in both', on('Foo'), [], [], 'cache'],
  ['absent in the second', on('Foo'), ['Foo', '1'], [], 'origin'],
  ['absent in the first', on('Foo'), [], ['Foo', '1'], 'origin'],
  ['absent and empty', on('Foo'), [], ['Foo', ''], 'origin'],
  ['a field that Vary does not name', on('Foo'), ['Foo', '1', 'Bar', '1'], ['Foo', '1', 'Bar', '2'], 'cache'],
  ['a name in another case, in Vary', on('fOO'), ['Foo', '1'], ['Foo', '1'], 'cache'],
  ['a name in another case, in Vary, another value', on('fOO'), ['Foo', '1'], ['Foo', '2'], 'origin'],
  ['a name in another case, in the request', on('Foo'), ['FOO', '1'], ['foo', '1'], 'cache'],
  ['a value in another case', on('Foo'), ['Foo', 'a'], ['Foo', 'A'], 'origin'],
  ['members in another order', on('Foo'), ['Foo', 'a, b'], ['Foo', 'b, a'], 'origin'],
  ['other whitespace around a comma', on('Foo'), ['Foo', 'a,b'], ['Foo', 'a ,\t b'], 'cache'],
  ['other whitespace within a member', on('Foo'), ['Foo', 'a b'], ['Foo', 'ab'], 'origin'],
  ['two lines and one', on('Foo'), ['Foo', 'a, b'], ['Foo', 'a', 'Foo', 'b'], 'cache'],
  ['two lines in another order', on('Foo'), ['Foo', 'a', 'Foo', 'b'], ['Foo', 'b', 'Foo', 'a'], 'origin'],
  ['a comma in a quoted string', on('Foo'), ['Foo', '"a,b"'], ['Foo', '"a, b"'], 'origin'],
  ['values that join alike', on('Foo, Bar'), ['Foo', 'a', 'Bar', 'bc'], ['Foo', 'ab', 'Bar', 'c'], 'origin'],
  ['values that change places', on('Foo, Bar'), ['Foo', 'a', 'Bar', 'b'], ['Foo', 'b', 'Bar', 'a'], 'origin'],
  ['a value in the other field', on('Foo, Bar'), ['Foo', 'a'], ['Bar', 'a'], 'origin'],
  ['two names, both the same', on('Foo, Bar'), ['Foo', 'a', 'Bar', 'b'], ['Bar', 'b', 'Foo', 'a'], 'cache'],
  [
    'two names, the second differs',
    on('Foo, Bar'),
    ['Foo', 'a', 'Bar', 'b'],
    ['Foo', 'a', 'Bar', 'c'],
    'origin',
  ],
  ['three names', on('A, B, C'), ['A', '1', 'B', '2', 'C', '3'], ['A', '1', 'B', '2', 'C', '3'], 'cache'],
  [
    'three names, the last absent',
    on('A, B, C'),
    ['A', '1', 'B', '2', 'C', '3'],
    ['A', '1', 'B', '2'],
    'origin',
  ],
  [
    'names on several lines',
    ['Vary', 'Foo', 'Vary', 'Bar'],
    ['Foo', '1', 'Bar', '1'],
    ['Foo', '1', 'Bar', '2'],
    'origin',
  ],
  [
    'names on several lines, both the same',
    ['Vary', 'Foo', 'Vary', 'Bar'],
    ['Foo', '1', 'Bar', '1'],
    ['Foo', '1', 'Bar', '1'],
    'cache',
  ],
  ['a name twice', on('Foo, foo, FOO'), ['Foo', '1'], ['Foo', '1'], 'cache'],
  ['a name of 1 KB', on(long), [long, '1'], [long, '1'], 'cache'],
  ['a name of 1 KB, another value', on(long), [long, '1'], [long, '2'], 'origin'],
  [
    'a name of 1 KB that differs at its end',
    on(long),
    [long, '1', `${long}b`, '1'],
    [long, '1', `${long}b`, '2'],
    'cache',
  ],
  ['a value of 4 KB', on('Foo'), ['Foo', 'v'.repeat(4096)], ['Foo', 'v'.repeat(4096)], 'cache'],
  [
    'a value of 4 KB that differs at its end',
    on('Foo'),
    ['Foo', 'v'.repeat(4096)],
    ['Foo', `${'v'.repeat(4095)}w`],
    'origin',
  ],
  ['Cookie', on('Cookie'), ['Cookie', 'a=1'], ['Cookie', 'a=2'], 'origin'],
  ['User-Agent', on('User-Agent'), ['User-Agent', 'a'], ['User-Agent', 'a'], 'cache'],
  ['Accept in another order', on('Accept'), ['Accept', 'a/b, c/d'], ['Accept', 'c/d, a/b'], 'origin'],
  ['Origin', on('Origin'), ['Origin', 'http://a'], ['Origin', 'http://b'], 'origin'],
  [
    'names like those of objects',
    on('__proto__, constructor'),
    ['__proto__', '1'],
    ['__proto__', '1'],
    'cache',
  ],
  [
    'names like those of objects, another value',
    on('__proto__'),
    ['__proto__', '1'],
    ['__proto__', '2'],
    'origin',
  ],
]

const STARS: [what: string, vary: Fields][] = [
  ['*', ['Vary', '*']],
  ['* after a name', ['Vary', 'Foo, *']],
  ['* before a name', ['Vary', '*, Foo']],
  ['* on a second line', ['Vary', 'Foo', 'Vary', '*']],
  ['* on a first line', ['Vary', '*', 'Vary', 'Foo']],
  ['* twice', ['Vary', '*, *']],
  ['* among empty members', ['Vary', ', ,*,']],
  ['* with whitespace', ['Vary', ' \t* ']],
  // Not field names: their author meant something that we do not understand.
  ['a name with a space', ['Vary', 'Foo Bar']],
  ['a quoted name', ['Vary', '"Foo"']],
  ['a name with a colon', ['Vary', 'Foo:']],
  // Written anew for each client by the proxy itself.
  ['X-Forwarded-For', ['Vary', 'X-Forwarded-For']],
]

const EMPTY: [what: string, vary: Fields, second: Fields, from: 'cache' | 'origin'][] = [
  ['an empty Vary', ['Vary', ''], ['Foo', '2'], 'cache'],
  ['only commas', ['Vary', ' , ,, '], ['Foo', '2'], 'cache'],
  ['empty members before a name', ['Vary', ',,Foo'], ['Foo', '2'], 'origin'],
  ['empty members after a name', ['Vary', 'Foo, ,'], ['Foo', '1'], 'cache'],
  ['an empty line, then a name', ['Vary', '', 'Vary', 'Foo'], ['Foo', '2'], 'origin'],
]

const ENCODING = on('Accept-Encoding')
const LANGUAGE = on('Accept-Language')
const encodings = (a: string, b: string, from: 'cache' | 'origin'): Case => [
  `Accept-Encoding ${a} and ${b}`,
  ENCODING,
  ['Accept-Encoding', a],
  ['Accept-Encoding', b],
  from,
]
const languages = (a: string, b: string, from: 'cache' | 'origin'): Case => [
  `Accept-Language ${a} and ${b}`,
  LANGUAGE,
  ['Accept-Language', a],
  ['Accept-Language', b],
  from,
]

/** RFC 9111 section 4.1: a cache may normalise what is known not to change the meaning. */
const NORMALISED: Case[] = [
  encodings('gzip, br', 'br, gzip', 'cache'),
  encodings('gzip,br', 'gzip , br', 'cache'),
  encodings('GZip', 'gzip', 'cache'),
  encodings('gzip;q=0.5, br', 'br, gzip; Q=0.5', 'cache'),
  encodings('gzip;q=0.5', 'gzip;q=0.6', 'origin'),
  encodings('gzip', 'br', 'origin'),
  encodings('gzip', 'gzip, br', 'origin'),
  encodings('gzip', 'identity', 'origin'),
  encodings('gzip', 'gzip;q=0', 'origin'),
  encodings(', gzip,,', 'gzip', 'cache'),
  [
    'Accept-Encoding on two lines',
    ENCODING,
    ['Accept-Encoding', 'gzip, br'],
    ['Accept-Encoding', 'br', 'Accept-Encoding', 'gzip'],
    'cache',
  ],
  ['Accept-Encoding absent and identity', ENCODING, [], ['Accept-Encoding', 'identity'], 'origin'],
  languages('de, en', 'en, de', 'cache'),
  languages('de,en', 'DE , En', 'cache'),
  languages('de;q=0.8, en', 'en, de;\tq=0.8', 'cache'),
  languages('de;q=0.8, en', 'en;q=0.8, de', 'origin'),
  languages('de', 'de-AT', 'origin'),
  languages('de', '*', 'origin'),
]

/** A stored response in German, and whether a request for these languages may have it. */
const german = (
  wanted: string,
  from: 'cache' | 'origin',
  fields: Fields = ['Content-Language', 'de'],
): Behaviour => ({
  name: `Content-Language ${fields[1]} for Accept-Language ${wanted}: ${from === 'cache' ? 'a match' : 'no match'} (RFC 9111 4.1)`,
  steps: [
    {
      request: ['Accept-Language', 'de'],
      origin: { fields: [...FRESH, ...LANGUAGE, ...fields] },
      from: 'origin',
    },
    { request: ['Accept-Language', wanted], origin: { fields: [...FRESH, ...LANGUAGE] }, from },
  ],
})

const LANGUAGES: Behaviour[] = [
  german('en;q=0.5, de', 'cache'),
  german('de;q=0.9, en;q=0.8, *;q=0.1', 'cache'),
  german('fr;q=0.1, DE', 'cache'),
  german('de;q=1.0, en;q=0.999', 'cache'),
  german('de, en', 'origin'),
  german('de;q=0.5, en', 'origin'),
  german('en', 'origin'),
  german('*', 'origin'),
  german('de;q=0, en;q=0', 'origin'),
  german('de;q=0', 'origin'),
  german('en;q=0.5, de', 'origin', ['Content-Language', 'de, en']),
  german('en;q=0.5, de', 'origin', ['Content-Language', '']),
  german('en;q=0.5, de', 'origin', ['X-None', '1']),
  {
    name: 'the language matches, another field that Vary names does not (RFC 9111 4.1)',
    steps: [
      {
        request: ['Accept-Language', 'de', 'Foo', '1'],
        origin: { fields: [...FRESH, 'Vary', 'Accept-Language, Foo', 'Content-Language', 'de'] },
        from: 'origin',
      },
      { request: ['Accept-Language', 'en;q=0.5, de', 'Foo', '2'], from: 'origin' },
    ],
  },
  {
    name: 'of two stored languages the best one is selected (RFC 9111 4.1)',
    steps: [
      {
        request: ['Accept-Language', 'de'],
        origin: { fields: [...FRESH, ...LANGUAGE, 'Content-Language', 'de'] },
        from: 'origin',
      },
      {
        request: ['Accept-Language', 'en'],
        origin: { fields: [...FRESH, ...LANGUAGE, 'Content-Language', 'en'] },
        from: 'origin',
      },
      {
        request: ['Accept-Language', 'en;q=0.8, de;q=0.9'],
        from: 'cache',
        bodyOf: 0,
        gets: { 'Content-Language': 'de' },
      },
      {
        request: ['Accept-Language', 'en;q=0.9, de;q=0.8'],
        from: 'cache',
        bodyOf: 1,
        gets: { 'Content-Language': 'en' },
      },
    ],
  },
]

/** A step that is answered by the origin, under a Vary and with a Date of its own. */
const dated = (request: Fields, vary: Fields, age: number): Step => ({
  request,
  origin: { fields: [...FRESH, ...vary, 'Date', date(-age)] },
  from: 'origin',
})

const SELECTION: Behaviour[] = [
  {
    name: 'each variant is kept, the first one too (RFC 9111 4.1)',
    steps: [
      ...['1', '2', '3'].map(
        (v): Step => ({ request: ['Foo', v], origin: { fields: [...FRESH, ...on('Foo')] }, from: 'origin' }),
      ),
      ...[0, 1, 2].map((bodyOf): Step => ({ request: ['Foo', String(bodyOf + 1)], from: 'cache', bodyOf })),
    ],
  },
  {
    name: 'of several that match the one with the latest Date is selected: the second stored (RFC 9111 4)',
    steps: [
      dated(['A', '1', 'B', '1'], on('A'), 20),
      dated(['A', '2', 'B', '1'], on('B'), 10),
      { request: ['A', '1', 'B', '1'], from: 'cache', bodyOf: 1 },
    ],
  },
  {
    name: 'of several that match the one with the latest Date is selected: the first stored (RFC 9111 4)',
    steps: [
      dated(['A', '1', 'B', '1'], on('A'), 10),
      dated(['A', '2', 'B', '1'], on('B'), 20),
      { request: ['A', '1', 'B', '1'], from: 'cache', bodyOf: 0 },
    ],
  },
  {
    name: 'one without Vary matches everything, if it is the latest (RFC 9111 4.1)',
    steps: [
      dated(['A', '1'], on('A'), 20),
      dated(['A', '2'], [], 10),
      { request: ['A', '1'], from: 'cache', bodyOf: 1 },
      { request: ['A', '3'], from: 'cache', bodyOf: 1 },
    ],
  },
  {
    name: 'a variant that is asked for anew takes nothing from the others (RFC 9111 4.1)',
    steps: [
      dated(['A', '1'], on('A'), 20),
      dated(['A', '2'], on('A'), 20),
      {
        request: ['A', '1', 'Cache-Control', 'no-cache'],
        origin: { fields: [...FRESH, ...on('A')] },
        from: 'origin',
      },
      { request: ['A', '2'], from: 'cache', bodyOf: 1 },
      { request: ['A', '1'], from: 'cache', bodyOf: 2 },
    ],
  },
  {
    name: 'an unsafe method takes all variants (RFC 9111 4.4)',
    steps: [
      dated(['A', '1'], on('A'), 0),
      dated(['A', '2'], on('A'), 0),
      { method: 'POST', from: 'origin' },
      dated(['A', '1'], on('A'), 0),
      dated(['A', '2'], on('A'), 0),
    ],
  },
  {
    name: 'a miss for want of the variant says so (RFC 9211 2.2)',
    steps: [
      dated(['A', '1'], on('A'), 0),
      {
        ...dated(['A', '2'], on('A'), 0),
        gets: { 'Cache-Status': /^slicestream; fwd=vary-miss; fwd-status=200/ },
      },
      { request: ['A', '2'], from: 'cache', bodyOf: 1, gets: { 'Cache-Status': /^slicestream; hit/ } },
    ],
  },
  {
    name: 'Vary of an answer that is not fresh is obeyed when it is validated (RFC 9111 4.3.1)',
    steps: [
      {
        request: ['A', '1'],
        origin: { fields: ['Cache-Control', 'max-age=0', ...on('A'), 'ETag', '"a1"'] },
        from: 'origin',
      },
      {
        request: ['A', '1'],
        origin: { fields: [...FRESH, ...on('A'), 'ETag', '"a1"'] },
        from: 'validated',
        sees: { A: '1' },
      },
    ],
  },
]

const tagged = (v: string, etag: string): Step => ({
  request: ['A', v],
  origin: { fields: [...FRESH, ...on('A'), 'ETag', etag] },
  from: 'origin',
})

/** RFC 9111 section 4.3.1: all the stored validators are offered, and the origin chooses. */
const offered = (etags: ExpectedFields[string], answered: string, bodyOf: number): Step => ({
  request: ['A', '3'],
  origin: { fields: [...FRESH, ...on('A'), 'ETag', answered] },
  from: 'validated',
  sees: { 'If-None-Match': etags },
  bodyOf,
})

const OFFERED: Behaviour[] = [
  {
    name: 'a new variant is one of those stored: nothing is transferred again (RFC 9111 4.3.1)',
    steps: [
      tagged('1', '"one"'),
      tagged('2', '"two"'),
      offered(/^(?=.*"one")(?=.*"two")/, '"one"', 0),
      { request: ['A', '3'], from: 'cache', bodyOf: 0 },
      { request: ['A', '1'], from: 'cache', bodyOf: 0 },
      { request: ['A', '2'], from: 'cache', bodyOf: 1 },
    ],
  },
  {
    name: 'a new variant is another one: it is stored beside the others (RFC 9111 4.3.1)',
    steps: [
      tagged('1', '"one"'),
      { ...tagged('2', '"two"'), sees: { 'If-None-Match': '"one"' } },
      { request: ['A', '1'], from: 'cache', bodyOf: 0 },
      { request: ['A', '2'], from: 'cache', bodyOf: 1 },
    ],
  },
  {
    name: 'weak tags are not offered for another variant (RFC 9110 8.8.3.2)',
    steps: [tagged('1', 'W/"one"'), { ...tagged('2', '"two"'), sees: { 'If-None-Match': null } }],
  },
  {
    name: 'a 304 that names none of those offered is not believed (RFC 9111 4.3.4)',
    steps: [
      tagged('1', '"one"'),
      {
        request: ['A', '2'],
        origin: (request, exchange) => {
          const fields = { 'Cache-Control': 'max-age=60', Vary: 'A', ETag: '"other"' }
          if (request.header('if-none-match')) return exchange.respond({ status: 304, fields })
          return exchange.respond({ fields, body: 'other' })
        },
        from: 'proxy',
        status: 200,
        asked: 2,
        gets: { ETag: '"other"' },
      },
    ],
  },
]

conform(
  'which requests match a stored response',
  MATCHING.map((one) => twice(one, '9111 4.1')),
)
conform(
  'what is never reused',
  STARS.map(([what, vary]) =>
    twice([`Vary: ${what}`, vary, ['Foo', '1'], ['Foo', '1'], 'origin'], '9110 12.5.5'),
  ),
)
conform(
  'empty members are no names',
  EMPTY.map(([what, vary, second, from]) => twice([what, vary, ['Foo', '1'], second, from], '9110 5.6.1.2')),
)
conform(
  'preferences are compared by what they mean',
  NORMALISED.map((one) => twice(one, '9111 4.1')),
)
conform('a language is selected by preference', LANGUAGES)
conform('which of several stored responses is used', SELECTION)
conform('what a new variant is validated with', OFFERED)

t.test('C27 more variants than 16: the oldest go, and are counted', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', Vary: 'X-V' },
      body: `variant ${request.header('x-v')}`,
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  const ask = (v: number) => get(`${proxy.url}/x`, { headers: { 'X-V': String(v) } })
  for (let v = 0; v < 16; v++) await ask(v)
  t.equal(proxy.counters.variantsDropped, 0)
  t.equal((await ask(0)).header('x-cache'), 'HIT')
  for (let v = 16; v < 20; v++) await ask(v)
  t.equal(proxy.counters.variantsDropped, 4)
  let hits = 0
  for (let v = 4; v < 20; v++) {
    const answer = await ask(v)
    t.equal(answer.body.toString(), `variant ${v}`)
    if (answer.header('x-cache') === 'HIT') hits++
  }
  t.equal(hits, 16)
  t.equal(origin.requests.length, 20)
})
