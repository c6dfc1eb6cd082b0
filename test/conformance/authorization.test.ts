import { type Behaviour, conform, date, type Fields } from './behaviour.ts'

const CREDENTIALS: Fields = ['Authorization', 'Basic YTpi']

/** A request with credentials brings this response. May others get it? */
const brought = (name: string, fields: Fields, then: 'cache' | 'origin' | 'validated'): Behaviour[] => [
  {
    name: `${name}: ${then === 'origin' ? 'not for' : 'also for'} a request without credentials`,
    steps: [{ from: 'origin', request: CREDENTIALS, origin: { fields } }, { from: then }],
  },
  {
    name: `${name}: ${then === 'origin' ? 'not for' : 'also for'} one with other credentials`,
    steps: [
      { from: 'origin', request: CREDENTIALS, origin: { fields } },
      { from: then, request: ['Authorization', 'Bearer abc'] },
    ],
  },
]

const behaviours: Behaviour[] = [
  ...brought('max-age', ['Cache-Control', 'max-age=3600'], 'origin'),
  ...brought('Expires', ['Expires', date(3600)], 'origin'),
  ...brought('Last-Modified', ['Last-Modified', date(-1_000_000)], 'origin'),
  ...brought('no-cache', ['Cache-Control', 'no-cache, max-age=60', 'ETag', '"a"'], 'origin'),
  ...brought('proxy-revalidate', ['Cache-Control', 'proxy-revalidate, max-age=60'], 'origin'),
  ...brought('must-understand', ['Cache-Control', 'must-understand, max-age=60'], 'origin'),
  ...brought('immutable', ['Cache-Control', 'immutable, max-age=60'], 'origin'),
  ...brought('private', ['Cache-Control', 'private, max-age=60'], 'origin'),
  ...brought('public and private', ['Cache-Control', 'public, private, max-age=60'], 'origin'),
  ...brought('public and no-store', ['Cache-Control', 'public, no-store, max-age=60'], 'origin'),
  ...brought('public', ['Cache-Control', 'public, max-age=3600'], 'cache'),
  ...brought('Public', ['Cache-Control', 'max-age=3600, PUBLIC'], 'cache'),
  ...brought('public and Expires', ['Cache-Control', 'public', 'Expires', date(3600)], 'cache'),
  ...brought('s-maxage', ['Cache-Control', 's-maxage=3600'], 'cache'),
  ...brought('s-maxage and max-age', ['Cache-Control', 'max-age=1, s-maxage=3600'], 'cache'),
  ...brought('must-revalidate', ['Cache-Control', 'must-revalidate, max-age=3600'], 'cache'),
  ...brought('public in CDN-Cache-Control', ['CDN-Cache-Control', 'public, max-age=3600'], 'cache'),
  ...brought(
    'public in a quoted string',
    ['Cache-Control', 'max-age=60, unknown="public, s-maxage=60"'],
    'origin',
  ),
  ...brought('s-maxage=0: stored, validated', ['Cache-Control', 's-maxage=0', 'ETag', '"a"'], 'validated'),
  ...brought(
    'must-revalidate and stale: validated',
    ['Cache-Control', 'must-revalidate, max-age=60', 'Age', 61, 'ETag', '"a"'],
    'validated',
  ),
  {
    name: 'credentials reach the origin',
    steps: [{ from: 'origin', request: CREDENTIALS, sees: { Authorization: 'Basic YTpi' } }],
  },
  {
    name: 'what a request without credentials brought may be given to one with them',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=3600'] } },
      { from: 'cache', request: CREDENTIALS },
    ],
  },
  {
    name: 'a challenge, and then the answer to the credentials: neither is for others',
    steps: [
      {
        from: 'origin',
        origin: { status: 401, fields: ['Cache-Control', 'no-store', 'WWW-Authenticate', 'Basic'] },
      },
      { from: 'origin', request: CREDENTIALS, origin: { fields: ['Cache-Control', 'max-age=3600'] } },
      { from: 'origin' },
    ],
  },
  {
    name: 'the name in any case, and an empty value, are credentials too',
    steps: [
      {
        from: 'origin',
        request: ['aUTHORIZATION', 'x'],
        origin: { fields: ['Cache-Control', 'max-age=3600'] },
      },
      {
        from: 'origin',
        request: ['Authorization', ''],
        origin: { fields: ['Cache-Control', 'max-age=3600'] },
      },
      { from: 'origin' },
    ],
  },
  {
    name: 'Cookie of a request is not Authorization: what it brings is judged by the response',
    steps: [
      {
        from: 'origin',
        request: ['Cookie', 'a=b'],
        origin: { fields: ['Cache-Control', 'max-age=3600'] },
        sees: { Cookie: 'a=b' },
      },
      { from: 'cache' },
      { from: 'cache', request: ['Cookie', 'c=d'] },
    ],
  },
  {
    name: 'Proxy-Authorization is for us: not Authorization, not passed on (RFC 9110 11.7.2)',
    steps: [
      {
        from: 'origin',
        request: ['Proxy-Authorization', 'Basic YTpi'],
        origin: { fields: ['Cache-Control', 'max-age=3600'] },
        sees: { 'Proxy-Authorization': null },
      },
      { from: 'cache' },
    ],
  },
]

conform('Authorization (RFC 9111 3.5)', behaviours)
