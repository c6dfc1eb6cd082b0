import { type Behaviour, conform, date, type Fields, notReused, reused, validated } from './behaviour.ts'

const STAMP = 'Thu, 01 Jan 2015 00:00:00 GMT'
const BEFORE = 'Wed, 31 Dec 2014 23:59:59 GMT'
const AFTER = 'Thu, 01 Jan 2015 00:00:01 GMT'
const FRESH: Fields = ['Cache-Control', 'max-age=3600']
const STALE: Fields = ['Cache-Control', 'max-age=60', 'Age', 61]

const NO_CONDITION = {
  'If-None-Match': null,
  'If-Modified-Since': null,
  'If-Match': null,
  'If-Unmodified-Since': null,
}

// What we ask: RFC 9111 section 4.3.1.

const asking: Behaviour[] = [
  validated('an ETag is sent in If-None-Match', [...STALE, 'ETag', '"a"'], {
    sees: { 'If-None-Match': '"a"', 'If-Modified-Since': null },
  }),
  validated('Last-Modified is sent in If-Modified-Since', [...STALE, 'Last-Modified', STAMP], {
    sees: { 'If-None-Match': null, 'If-Modified-Since': STAMP },
  }),
  validated('both are sent', [...STALE, 'ETag', '"a"', 'Last-Modified', STAMP], {
    sees: { 'If-None-Match': '"a"', 'If-Modified-Since': STAMP },
  }),
  validated('a weak ETag is sent as it is (RFC 9110 8.8.3)', [...STALE, 'ETag', 'W/"a"'], {
    sees: { 'If-None-Match': 'W/"a"' },
  }),
  validated('an empty ETag (RFC 9110 8.8.3)', [...STALE, 'ETag', '""'], { sees: { 'If-None-Match': '""' } }),
  validated('an ETag with a comma and other signs (RFC 9110 8.8.3)', [...STALE, 'ETag', '"a,b;c\\dé"'], {
    sees: { 'If-None-Match': '"a,b;c\\dé"' },
  }),
  notReused('without validators there is no condition', STALE, { sees: NO_CONDITION }),
  notReused('an invalid Last-Modified is no validator', [...STALE, 'Last-Modified', 'yesterday'], {
    sees: NO_CONDITION,
  }),
  notReused('nothing stored, no condition', ['Cache-Control', 'no-store', 'ETag', '"a"'], {
    sees: NO_CONDITION,
  }),
  {
    name: 'the fields that Vary names are sent with it (4.1)',
    steps: [
      { from: 'origin', request: ['X-V', '1'], origin: { fields: [...STALE, 'ETag', '"a"', 'Vary', 'X-V'] } },
      { from: 'validated', request: ['X-V', '1'], sees: { 'If-None-Match': '"a"', 'X-V': '1' } },
    ],
  },
  {
    name: 'a HEAD on a stale one may ask for its own',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'origin', method: 'HEAD', asked: 'any', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'validated' },
    ],
  },
  {
    name: 'a new representation replaces the stored one (4.3.3)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"', 'X-A', 'old'] } },
      { from: 'origin', origin: { fields: [...FRESH, 'ETag', '"b"'] }, sees: { 'If-None-Match': '"a"' } },
      { from: 'cache', gets: { ETag: '"b"', 'X-A': null } },
    ],
  },
  {
    name: 'a new representation with the same ETag replaces it too (4.3.3)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', 'W/"a"'] } },
      { from: 'origin', origin: { fields: [...FRESH, 'ETag', 'W/"a"', 'X-A', 'new'] } },
      { from: 'cache', gets: { 'X-A': 'new' } },
    ],
  },
  {
    name: 'the next validation uses the new ETag',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"b"'] } },
      { from: 'validated', sees: { 'If-None-Match': '"b"' } },
    ],
  },
  {
    name: 'a new representation that may not be stored (4.3.3)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'origin', origin: { fields: ['Cache-Control', 'no-store', 'ETag', '"b"'] } },
      { from: 'origin', origin: { fields: FRESH } },
    ],
  },
  {
    name: 'a 404 to a validation is the answer, and replaces it (4.3.3)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'origin', origin: { status: 404, fields: FRESH } },
      { from: 'cache', status: 404 },
    ],
  },
  {
    name: 'a 500 to a validation is the answer, and forgets nothing (4.3.3)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'origin', origin: { status: 500 } },
      { from: 'validated', bodyOf: 0, status: 200 },
    ],
  },
  {
    name: 'a 404 that is stored is validated too (4.3.1)',
    steps: [
      { from: 'origin', origin: { status: 404, fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'validated', origin: { fields: FRESH }, status: 404, sees: { 'If-None-Match': '"a"' } },
      { from: 'cache', status: 404 },
    ],
  },
]

// What we answer: RFC 9111 section 4.3.2, RFC 9110 section 13.

const answered = (name: string, stored: Fields, request: Fields, status: 200 | 304 | 412) =>
  status === 412
    ? reused(`${name}: 412`, [...FRESH, ...stored], { request, status, from: 'proxy' })
    : reused(`${name}: ${status}`, [...FRESH, ...stored], { request, status })

const TAG: Fields = ['ETag', '"a"']
const WEAK: Fields = ['ETag', 'W/"a"']
const STAMPED: Fields = ['Last-Modified', STAMP]
const BOTH: Fields = [...TAG, ...STAMPED]
const noneMatch = (value: string): Fields => ['If-None-Match', value]
const since = (value: string): Fields => ['If-Modified-Since', value]

const answering: Behaviour[] = [
  answered('the same ETag', TAG, noneMatch('"a"'), 304),
  answered('another ETag', TAG, noneMatch('"b"'), 200),
  answered('an ETag that only begins alike', TAG, noneMatch('"ab"'), 200),
  answered('ETags have case', TAG, noneMatch('"A"'), 200),
  answered('a weak one matches a strong one (RFC 9110 8.8.3.2)', TAG, noneMatch('W/"a"'), 304),
  answered('a strong one matches a weak one (RFC 9110 8.8.3.2)', WEAK, noneMatch('"a"'), 304),
  answered('weak and weak (RFC 9110 8.8.3.2)', WEAK, noneMatch('W/"a"'), 304),
  answered('another weak one', WEAK, noneMatch('W/"b"'), 200),
  answered('one of a list, first', TAG, noneMatch('"a", "b"'), 304),
  answered('one of a list, last', TAG, noneMatch('"b", "c", "a"'), 304),
  answered('one of a list, weak', TAG, noneMatch('"b", W/"a", "c"'), 304),
  answered('none of a list', TAG, noneMatch('"b", "c"'), 200),
  answered('a list without spaces', TAG, noneMatch('"b","a"'), 304),
  answered('a list with empty members (RFC 9110 5.6.1.2)', TAG, noneMatch(', ,"b",, "a",'), 304),
  answered(
    'a list over several lines (RFC 9110 5.2)',
    TAG,
    ['If-None-Match', '"b"', 'If-None-Match', '"a"'],
    304,
  ),
  answered('an ETag with a comma', ['ETag', '"a,b"'], noneMatch('"a,b"'), 304),
  answered('an ETag with a comma in a list', ['ETag', '"a,b"'], noneMatch('"x", "a,b"'), 304),
  answered('an ETag inside of another', ['ETag', '"b"'], noneMatch('"a, b, c"'), 200),
  answered('* (RFC 9110 13.1.2)', TAG, noneMatch('*'), 304),
  answered('* without an ETag (RFC 9110 13.1.2)', [], noneMatch('*'), 304),
  answered('* without an ETag, with Last-Modified (RFC 9110 13.1.2)', STAMPED, noneMatch('*'), 304),
  answered('"*" is an ETag', TAG, noneMatch('"*"'), 200),
  answered('no ETag stored', STAMPED, noneMatch('"a"'), 200),
  answered('unquoted garbage', TAG, noneMatch('b'), 200),
  answered('empty', TAG, noneMatch(''), 200),
  answered('not modified since', STAMPED, since(STAMP), 304),
  answered('not modified since a later time', STAMPED, since(AFTER), 304),
  answered('modified since', STAMPED, since(BEFORE), 200),
  answered(
    'since a time in the future: 304 or the whole, as RFC 9110 13.1.3 lets us',
    STAMPED,
    since('Thu, 01 Jan 2099 00:00:00 GMT'),
    304,
  ),
  answered(
    'not modified since, RFC 850 (RFC 9110 5.6.7)',
    STAMPED,
    since('Thursday, 01-Jan-15 00:00:00 GMT'),
    304,
  ),
  answered('not modified since, asctime (RFC 9110 5.6.7)', STAMPED, since('Thu Jan  1 00:00:00 2015'), 304),
  answered('modified since, RFC 850', STAMPED, since('Wednesday, 31-Dec-14 23:59:59 GMT'), 200),
  answered('since what is no date (RFC 9110 13.1.3)', STAMPED, since('yesterday'), 200),
  answered('since what is no date: ISO 8601 (RFC 9110 13.1.3)', STAMPED, since('2016-01-01T00:00:00Z'), 200),
  answered('since what is no date: a number (RFC 9110 13.1.3)', STAMPED, since('99999999999'), 200),
  answered(
    'an obsolete Last-Modified format, not modified',
    ['Last-Modified', 'Thursday, 01-Jan-15 00:00:00 GMT'],
    since(STAMP),
    304,
  ),
  answered(
    'If-None-Match wins: matches, though modified since (RFC 9110 13.2.2)',
    BOTH,
    [...noneMatch('"a"'), ...since(BEFORE)],
    304,
  ),
  answered(
    'If-None-Match wins: differs, though not modified since (RFC 9110 13.2.2)',
    BOTH,
    [...noneMatch('"b"'), ...since(STAMP)],
    200,
  ),
  answered(
    'If-None-Match wins: no ETag stored (RFC 9110 13.2.2)',
    STAMPED,
    [...noneMatch('"b"'), ...since(STAMP)],
    200,
  ),
  answered('both hold', BOTH, [...noneMatch('"a"'), ...since(STAMP)], 304),
  answered('If-Match: the same', TAG, ['If-Match', '"a"'], 200),
  answered('If-Match: one of a list', TAG, ['If-Match', '"b", "a"'], 200),
  answered('If-Match: another (RFC 9110 13.1.1)', TAG, ['If-Match', '"b"'], 412),
  answered('If-Match: weak never matches (RFC 9110 13.1.1)', WEAK, ['If-Match', 'W/"a"'], 412),
  answered('If-Match: * (RFC 9110 13.1.1)', TAG, ['If-Match', '*'], 200),
  answered(
    'If-Match, then If-None-Match (RFC 9110 13.2.2)',
    TAG,
    ['If-Match', '"a"', 'If-None-Match', '"a"'],
    304,
  ),
  answered('If-Unmodified-Since: not modified', STAMPED, ['If-Unmodified-Since', STAMP], 200),
  answered('If-Unmodified-Since: modified (RFC 9110 13.1.4)', STAMPED, ['If-Unmodified-Since', BEFORE], 412),
  answered(
    'If-Unmodified-Since: no date (RFC 9110 13.1.4)',
    STAMPED,
    ['If-Unmodified-Since', 'yesterday'],
    200,
  ),
  answered(
    'If-Match wins over If-Unmodified-Since (RFC 9110 13.2.2)',
    BOTH,
    ['If-Match', '"a"', 'If-Unmodified-Since', BEFORE],
    200,
  ),
  ...[404, 301, 500].map((status) =>
    reused(
      `a stored ${status} is sent whatever the condition (RFC 9110 13.2.1)`,
      { status, fields: [...FRESH, ...TAG] },
      {
        request: noneMatch('"a"'),
        status,
      },
    ),
  ),
  reused('without Last-Modified its Date counts, later: 200', FRESH, { request: since(STAMP), status: 200 }),
  reused('without Last-Modified its Date counts, earlier: 304', [...FRESH, 'Date', date(-10)], {
    request: ['If-Modified-Since', date(-5)],
    status: 304,
  }),
  {
    name: 'a 304 carries the fields that a 200 would have (RFC 9110 15.4.5)',
    steps: [
      {
        from: 'origin',
        origin: {
          fields: [
            ...FRESH,
            ...BOTH,
            'Vary',
            'X-V',
            'Content-Location',
            '/x',
            'Expires',
            AFTER,
            'Date',
            date(-5),
            'X-A',
            'b',
          ],
        },
      },
      {
        from: 'cache',
        request: noneMatch('"a"'),
        status: 304,
        gets: {
          ETag: '"a"',
          Vary: 'X-V',
          'Content-Location': '/x',
          Expires: AFTER,
          'Cache-Control': 'max-age=3600',
          Date: true,
          Age: true,
          'Transfer-Encoding': null,
        },
      },
    ],
  },
  {
    name: 'a miss: the whole is fetched, the condition is answered from it (4.3.2)',
    steps: [
      {
        from: 'origin',
        request: noneMatch('"a"'),
        origin: { fields: [...FRESH, ...TAG] },
        status: 304,
        sees: NO_CONDITION,
      },
      { from: 'cache', status: 200 },
    ],
  },
  {
    name: 'a miss: the condition does not hold (4.3.2)',
    steps: [
      {
        from: 'origin',
        request: noneMatch('"b"'),
        origin: { fields: [...FRESH, ...TAG] },
        sees: NO_CONDITION,
      },
      { from: 'cache', status: 200 },
    ],
  },
  {
    name: 'a miss with If-Modified-Since (4.3.2)',
    steps: [
      {
        from: 'origin',
        request: since(STAMP),
        origin: { fields: [...FRESH, ...STAMPED] },
        status: 304,
        sees: NO_CONDITION,
      },
      { from: 'cache', status: 200 },
    ],
  },
  {
    name: 'a miss with *',
    steps: [
      { from: 'origin', request: noneMatch('*'), origin: { fields: FRESH }, status: 304, sees: NO_CONDITION },
      { from: 'cache', status: 200 },
    ],
  },
]

// Conditions of the client when we have one of our own: RFC 9111 sections 4.3.1 and 4.3.2.

const combined: Behaviour[] = [
  {
    name: 'stale, the client has the same: both get to know that it is not modified',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      { from: 'validated', request: noneMatch('"a"'), origin: { fields: [...FRESH, ...TAG] }, status: 304 },
      { from: 'cache', status: 200 },
    ],
  },
  {
    name: 'stale, the client has another: both are asked about; ours is current',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      {
        from: 'validated',
        request: noneMatch('"b"'),
        origin: { fields: [...FRESH, ...TAG] },
        status: 200,
        sees: { 'If-None-Match': /(?=.*"a")(?=.*"b")/ },
      },
      { from: 'cache' },
    ],
  },
  {
    name: 'stale, the client has another: both are asked about; the one of the client is current',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      {
        from: 'validated',
        request: noneMatch('"b"'),
        origin: { fields: [...FRESH, 'ETag', '"b"'] },
        status: 304,
        gets: { ETag: '"b"' },
      },
      { from: 'origin', origin: { fields: FRESH }, sees: { 'If-None-Match': null } },
      { from: 'cache' },
    ],
  },
  {
    name: 'stale, the client has several: all are asked about',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      {
        from: 'validated',
        request: noneMatch('"b", W/"c"'),
        origin: { fields: [...FRESH, ...TAG] },
        status: 200,
        sees: { 'If-None-Match': /(?=.*"a")(?=.*"b")(?=.*W\/"c")/ },
      },
    ],
  },
  {
    name: 'stale, neither is current: the new one, and it is stored',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      { from: 'origin', request: noneMatch('"b"'), origin: { fields: [...FRESH, 'ETag', '"c"'] } },
      { from: 'cache' },
    ],
  },
  {
    name: 'stale, the new one is what the client has: 304, and it is stored',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      {
        from: 'origin',
        request: noneMatch('"b"'),
        origin: { fields: [...FRESH, 'ETag', '"b"'] },
        status: 304,
      },
      { from: 'cache', bodyOf: 1, status: 200 },
    ],
  },
  {
    name: 'stale, If-Modified-Since of the client: ours is sent, and the client answered from it',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...STAMPED] } },
      {
        from: 'validated',
        request: since(BEFORE),
        origin: { fields: [...FRESH, ...STAMPED] },
        status: 200,
        sees: { 'If-Modified-Since': STAMP },
      },
      { from: 'cache', request: since(STAMP), status: 304 },
    ],
  },
  {
    name: 'stale, the client says *: the whole state is validated by ours',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      { from: 'validated', request: noneMatch('*'), origin: { fields: [...FRESH, ...TAG] }, status: 304 },
      { from: 'cache', status: 200 },
    ],
  },
]

conform('validating what is stored (RFC 9111 4.3.1)', asking)
conform('conditions answered from the cache (RFC 9111 4.3.2)', answering)
conform('conditions of the client and ours (RFC 9111 4.3.1)', combined)
conform('conditions of the client and ours, with files alone', combined, { l1: 0, l2: 64 * 1024 * 1024 })
