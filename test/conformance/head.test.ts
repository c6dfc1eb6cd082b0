import { type Behaviour, conform, date, type Fields, type OriginAnswer, type Step } from './behaviour.ts'

/** What only the file tier holds. */
const FILES = { l1: 0, l2: 64 * 1024 * 1024 }
const BODY = 'the representation'
const LAST_MODIFIED: Fields = ['Last-Modified', 'Thu, 01 Jan 2015 00:00:00 GMT']
const STALE: Fields = ['Cache-Control', 'max-age=60', 'Age', 61]
const FRESH: Fields = ['Cache-Control', 'max-age=3600']

const answered: Behaviour[] = [
  {
    name: 'HEAD is answered from what a GET stored (RFC 9111 4)',
    steps: [
      { from: 'origin', origin: { fields: [...FRESH, 'ETag', '"a"', 'X-A', 'b'], body: BODY } },
      {
        from: 'cache',
        method: 'HEAD',
        gets: { 'Content-Length': BODY.length, ETag: '"a"', 'X-A': 'b', Age: /^\d$/ },
      },
      { from: 'cache' },
    ],
  },
  {
    name: 'HEAD of a stored response of unknown length (RFC 9110 9.3.2)',
    steps: [
      {
        from: 'origin',
        origin: async (_request, exchange) => {
          await exchange.head({ fields: ['Cache-Control', 'max-age=60', 'Transfer-Encoding', 'chunked'] })
          await exchange.chunk(BODY)
          await exchange.chunk()
        },
      },
      { from: 'cache', method: 'HEAD' },
    ],
  },
  {
    name: 'HEAD with a condition that holds (RFC 9110 13.2.2)',
    steps: [
      { from: 'origin', origin: { fields: [...FRESH, 'ETag', '"a"'] } },
      { from: 'cache', method: 'HEAD', request: ['If-None-Match', '"a"'], status: 304 },
      { from: 'cache', method: 'HEAD', request: ['If-None-Match', '"b"'], status: 200 },
    ],
  },
  {
    name: 'HEAD ignores Range (RFC 9110 14.2)',
    steps: [
      { from: 'origin', origin: { fields: [...FRESH, 'ETag', '"a"'], body: BODY } },
      {
        from: 'cache',
        method: 'HEAD',
        request: ['Range', 'bytes=0-1'],
        status: 200,
        gets: { 'Content-Length': BODY.length },
      },
    ],
  },
  {
    name: 'a HEAD stores nothing that answers GET (RFC 9111 3)',
    steps: [
      {
        from: 'origin',
        method: 'HEAD',
        origin: { fields: FRESH, body: BODY },
        gets: { 'Content-Length': BODY.length },
      },
      { from: 'origin', origin: { fields: FRESH, body: BODY } },
      { from: 'cache' },
    ],
  },
  {
    name: 'a HEAD that nothing is stored for is sent as HEAD (RFC 9110 9.3.2)',
    steps: [{ from: 'origin', method: 'HEAD', origin: { status: 404, fields: FRESH } }, { from: 'origin' }],
  },
  {
    name: 'HEAD selects the variant (RFC 9111 4.1)',
    steps: [
      { from: 'origin', request: ['X-V', '1'], origin: { fields: [...FRESH, 'Vary', 'X-V', 'X-A', '1'] } },
      { from: 'origin', request: ['X-V', '2'], origin: { fields: [...FRESH, 'Vary', 'X-V', 'X-A', '2'] } },
      { from: 'cache', method: 'HEAD', request: ['X-V', '1'], gets: { 'X-A': '1' } },
      { from: 'cache', method: 'HEAD', request: ['X-V', '2'], gets: { 'X-A': '2' } },
      { from: 'origin', method: 'HEAD', request: ['X-V', '3'] },
    ],
  },
]

/** A stale GET is stored; a HEAD brings this; then a GET. */
const after = (name: string, stored: Fields, head: OriginAnswer, then: Step): Behaviour => ({
  name,
  steps: [
    { from: 'origin', origin: { fields: [...STALE, ...stored], body: BODY } },
    { from: 'origin', method: 'HEAD', origin: { body: BODY, ...head } },
    then,
  ],
})

/** A fresh GET is stored; a HEAD that must be forwarded brings this; then a GET. */
const afterFresh = (name: string, stored: Fields, head: OriginAnswer, then: Step): Behaviour => ({
  name,
  steps: [
    { from: 'origin', origin: { fields: [...FRESH, ...stored], body: BODY } },
    {
      from: 'origin',
      method: 'HEAD',
      request: ['Cache-Control', 'no-cache'],
      origin: { body: BODY, ...head },
    },
    then,
  ],
})

const updating: Behaviour[] = [
  after(
    'the same ETag: fresh again',
    ['ETag', '"a"'],
    { fields: [...FRESH, 'ETag', '"a"'] },
    { from: 'cache' },
  ),
  after(
    'the same weak ETag: fresh again',
    ['ETag', 'W/"a"'],
    { fields: [...FRESH, 'ETag', 'W/"a"'] },
    { from: 'cache' },
  ),
  after(
    'the same Last-Modified: fresh again',
    LAST_MODIFIED,
    { fields: [...FRESH, ...LAST_MODIFIED] },
    { from: 'cache' },
  ),
  after(
    'both the same: fresh again',
    ['ETag', '"a"', ...LAST_MODIFIED],
    { fields: [...FRESH, 'ETag', '"a"', ...LAST_MODIFIED] },
    { from: 'cache' },
  ),
  after(
    'its fields are taken over, the others stay',
    ['ETag', '"a"', 'X-A', '1', 'X-B', '2'],
    { fields: [...FRESH, 'ETag', '"a"', 'X-A', 'new', 'X-C', '3'] },
    {
      from: 'cache',
      gets: {
        'X-A': 'new',
        'X-B': '2',
        'X-C': '3',
        'Content-Length': BODY.length,
        'Cache-Control': 'max-age=3600',
      },
    },
  ),
  after(
    'its Age is taken over',
    ['ETag', '"a"'],
    { fields: [...FRESH, 'ETag', '"a"', 'Age', 100] },
    { from: 'cache', gets: { Age: /^10\d$/ } },
  ),
  after(
    'its Expires is taken over',
    ['ETag', '"a"'],
    { fields: ['Cache-Control', 'public', 'Expires', date(60), 'ETag', '"a"'] },
    { from: 'cache' },
  ),
  after(
    'already stale itself: validated',
    ['ETag', '"a"'],
    { fields: [...STALE, 'ETag', '"a"'] },
    { from: 'validated' },
  ),
  afterFresh(
    'of a fresh one the fields are taken over too',
    ['ETag', '"a"', 'X-A', '1'],
    { fields: [...FRESH, 'ETag', '"a"', 'X-A', 'new'] },
    { from: 'cache', gets: { 'X-A': 'new' } },
  ),
  afterFresh(
    'max-age=0 makes a fresh one stale',
    ['ETag', '"a"'],
    { fields: ['Cache-Control', 'max-age=0', 'ETag', '"a"'] },
    { from: 'validated' },
  ),
  {
    name: 'HEAD updates the variant that it selects, and no other',
    steps: [
      {
        from: 'origin',
        request: ['X-V', '1'],
        origin: { fields: [...STALE, 'Vary', 'X-V', 'ETag', '"1"'], body: BODY },
      },
      {
        from: 'origin',
        request: ['X-V', '2'],
        origin: { fields: [...STALE, 'Vary', 'X-V', 'ETag', '"2"'], body: BODY },
      },
      {
        from: 'origin',
        method: 'HEAD',
        request: ['X-V', '1'],
        origin: { fields: [...FRESH, 'Vary', 'X-V', 'ETag', '"1"'], body: BODY },
      },
      { from: 'cache', request: ['X-V', '1'], bodyOf: 0 },
      { from: 'validated', request: ['X-V', '2'], bodyOf: 1 },
    ],
  },
]

const invalidating: Behaviour[] = [
  afterFresh('another ETag', ['ETag', '"a"'], { fields: [...FRESH, 'ETag', '"b"'] }, { from: 'origin' }),
  afterFresh(
    'another ETag, a weak one',
    ['ETag', '"a"'],
    { fields: [...FRESH, 'ETag', 'W/"b"'] },
    { from: 'origin' },
  ),
  afterFresh(
    'another Last-Modified',
    LAST_MODIFIED,
    { fields: [...FRESH, 'Last-Modified', date(-1000)] },
    { from: 'origin' },
  ),
  afterFresh(
    'the same Last-Modified, another ETag',
    ['ETag', '"a"', ...LAST_MODIFIED],
    { fields: [...FRESH, 'ETag', '"b"', ...LAST_MODIFIED] },
    { from: 'origin' },
  ),
  afterFresh(
    'the same ETag, another Last-Modified',
    ['ETag', '"a"', ...LAST_MODIFIED],
    { fields: [...FRESH, 'ETag', '"a"', 'Last-Modified', date(-1000)] },
    { from: 'origin' },
  ),
  afterFresh(
    'another Content-Length',
    ['ETag', '"a"'],
    { fields: [...FRESH, 'ETag', '"a"'], body: `${BODY} that grew` },
    { from: 'origin' },
  ),
  afterFresh('no ETag where one is stored', ['ETag', '"a"'], { fields: FRESH }, { from: 'origin' }),
  afterFresh(
    'another ETag where none is stored',
    [],
    { fields: [...FRESH, 'ETag', '"b"'] },
    { from: 'origin' },
  ),
  afterFresh('404: it is gone', ['ETag', '"a"'], { status: 404 }, { from: 'origin' }),
  afterFresh('410: it is gone', ['ETag', '"a"'], { status: 410 }, { from: 'origin' }),
  afterFresh(
    'and the origin may say that it is still good',
    ['ETag', '"a"'],
    { status: 404 },
    { from: 'validated', origin: { fields: FRESH } },
  ),
  ...[400, 403, 405, 500, 501, 503].map((status) =>
    afterFresh(`${status} says nothing of the stored one`, ['ETag', '"a"'], { status }, { from: 'cache' }),
  ),
  afterFresh('302 says nothing of the stored one', ['ETag', '"a"'], { status: 302 }, { from: 'cache' }),
]

conform('HEAD from and into the cache', answered)
conform('HEAD freshens what GET stored (RFC 9111 4.3.5)', updating)
conform('HEAD tells that what GET stored is no longer right (RFC 9111 4.3.5)', invalidating)
conform('HEAD freshens, with files alone', updating, FILES)
conform('HEAD tells, with files alone', invalidating, FILES)
