import fc from 'fast-check'
import { dateAt } from '../heads.ts'
import { AGES, DATES, type Exchange, type Message } from './exchange.ts'
import { fieldOf, withField } from './message.ts'
import type { Update } from './update.ts'

/** Generated exchanges: mostly what is seen in the wild, with odd values in between. */

const seconds = fc.constantFrom('0', '5', '60', '100', '3600')
const oddSeconds = fc.constantFrom('', '-5', '1.5', 'soon', '99999999999', '"60"', '060')
const duration = (...names: string[]) =>
  fc
    .tuple(
      fc.constantFrom(...names),
      fc.oneof({ weight: 8, arbitrary: seconds }, { weight: 1, arbitrary: oddSeconds }),
    )
    .map(([name, argument]) => `${name}=${argument}`)
const unknown = fc.constantFrom(
  'foo',
  'foo=bar',
  'ext="no-store, max-age=5"',
  'max-agee=5',
  '=',
  'community="UCI"',
)

const responseDirective = fc.oneof(
  {
    weight: 6,
    arbitrary: duration('max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error', 'Max-Age'),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'public',
      'must-revalidate',
      'proxy-revalidate',
      'no-cache',
      'immutable',
      'no-transform',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('private', 'no-store', 'must-understand', 'NO-STORE', 'Public') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'private="set-cookie"',
      'no-cache="x-b"',
      'no-cache=""',
      'private="x-b, Set-Cookie"',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('max-age', 's-maxage', 'stale-while-revalidate') },
  { weight: 1, arbitrary: unknown },
)

const requestDirective = fc.oneof(
  { weight: 6, arbitrary: duration('max-age', 'min-fresh', 'max-stale') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('max-stale', 'no-cache', 'No-Cache', 'only-if-cached', 'no-transform'),
  },
  { weight: 1, arbitrary: fc.constantFrom('no-store', 'no-cache="x"', 'max-age', 'min-fresh') },
  { weight: 1, arbitrary: unknown },
)

/** Each field absent, or with one of these values. */
function fields(values: Record<string, { often: number; of: readonly string[] }>): fc.Arbitrary<string[]> {
  const each = Object.entries(values).map(([name, { often, of }]) =>
    fc.oneof(
      { weight: 10 - often, arbitrary: fc.constant<string[]>([]) },
      { weight: often, arbitrary: fc.constantFrom(...of).map((value) => [name, value]) },
    ),
  )
  return fc.tuple(...each).map((lines) => lines.flat())
}

const dates = [...DATES.keys()]

const responseFields = fields({
  Date: { often: 7, of: dates },
  Expires: { often: 4, of: dates },
  'Last-Modified': { often: 5, of: dates },
  ETag: { often: 5, of: ['"a"', 'W/"a"', 'a', '"b"'] },
  Age: { often: 3, of: [...AGES.keys()] },
  Vary: {
    often: 4,
    of: [
      'Accept-Encoding',
      'accept-encoding , X-A',
      'Accept-Language',
      '*',
      ', X-A,',
      'X-A, *',
      'X-Forwarded-For',
      'a b',
    ],
  },
  'Set-Cookie': { often: 2, of: ['a=b'] },
  Pragma: { often: 1, of: ['no-cache', 'No-Cache', 'x'] },
})

const selecting = {
  'Accept-Encoding': {
    often: 5,
    of: ['gzip', 'gzip, br', 'br,gzip', 'GZIP', 'gzip;q=1.0,br', 'gzip; q=0.5'],
  },
  'Accept-Language': { often: 3, of: ['en', 'EN', 'de, en;q=0.5', 'en;q=0.5,de'] },
  'X-A': { often: 3, of: ['1', '1, 2', '1,2', ''] },
  Pragma: { often: 1, of: ['no-cache', 'No-Cache', 'x'] },
}

const request = messages(
  fc.array(requestDirective, { maxLength: 1 }),
  fields({ ...selecting, Authorization: { often: 2, of: ['Basic eDp5'] } }),
)

const probe = messages(
  fc.array(requestDirective, { maxLength: 2 }),
  fields({
    ...selecting,
    'If-None-Match': { often: 2, of: ['"a"', '"c"', '"c", W/"d"', '*'] },
    'If-Modified-Since': { often: 2, of: dates },
  }),
)

const status = fc.oneof(
  { weight: 6, arbitrary: fc.constant(200) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        203, 204, 299, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 407, 410, 412, 414, 416,
        418,
      ],
      ...[421, 429, 431, 451, 499, 500, 501, 502, 503, 504, 511, 599],
    ),
  },
)

export const exchanges: fc.Arbitrary<Exchange> = fc.record({
  request,
  status,
  response: messages(fc.array(responseDirective, { maxLength: 4 }), responseFields),
  probe,
  later: fc.constantFrom(0, 0.5, 4.5, 5, 30, 59.5, 60, 99.5, 100, 3599.5, 4000, 90000),
})

const plainPolicy = fc.constantFrom<string[][]>(
  [],
  ['max-age=0'],
  ['max-age=60', 'public'],
  ['s-maxage=5', 'max-age=60'],
  ['no-cache'],
)
const described = {
  Expires: { often: 3, of: [dateAt(100)] },
  'X-B': { often: 5, of: ['1', '2'] },
  'Content-Type': { often: 5, of: ['text/plain', 'text/html'] },
  'Content-Encoding': { often: 2, of: ['gzip', 'br'] },
  'Content-Digest': { often: 2, of: ['md5=:a:', 'md5=:b:'] },
}
const validators = {
  ETag: { often: 6, of: ['"a"', 'W/"a"', '"a-gzip"'] },
  'Last-Modified': { often: 5, of: [dateAt(-100), dateAt(-86400)] },
}

export const updates: fc.Arbitrary<Update> = fc.record({
  response: messages(
    fc.constantFrom(['max-age=5'], []),
    fields({
      ...described,
      ETag: { often: 8, of: ['"a"', 'W/"a"'] },
      Date: { often: 5, of: [dateAt(-10), dateAt(0)] },
    }),
  ).map((message) =>
    fieldOf(message, 'etag') === undefined ? withField(message, 'Last-Modified', dateAt(-100)) : message,
  ),
  notModified: messages(
    plainPolicy,
    fields({
      ...described,
      ...validators,
      Date: { often: 5, of: [dateAt(0)] },
      Age: { often: 3, of: ['5'] },
      Connection: { often: 2, of: ['close', 'x-b', 'close, X-B'] },
    }),
  ),
})

function messages(
  cacheControl: fc.Arbitrary<string[]>,
  others: fc.Arbitrary<string[]>,
): fc.Arbitrary<Message> {
  return fc.record({ cacheControl, fields: others })
}
