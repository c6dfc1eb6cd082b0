import t, { type Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { type Answer, get, type RequestOptions } from '../helpers/client.ts'
import { stopClock } from '../helpers/clock.ts'
import { type Exchange, type OriginRequest, type Script, startOrigin } from '../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../helpers/proxy.ts'

const S = 65_536
const file = bytesOf(70, 4 * S + 9)
const JANUARY = 'Thu, 01 Jan 2026 00:00:00 GMT'

async function start(t: Test, script: Script, options: Partial<StartProxyOptions> = {}) {
  const origin = await startOrigin(t, script)
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0, sliceSize: S, ...options })
  const ask = (options: RequestOptions = {}) => get(`${proxy.url}/x`, options)
  return { origin, proxy, ask }
}

/** The body is these bytes of the file. */
function isPart(t: Test, answer: Answer, first: number, last: number, what = '') {
  t.match(answer, { status: 206, complete: true }, what)
  t.equal(answer.header('content-range'), `bytes ${first}-${last}/${file.length}`, what)
  t.equal(answer.header('content-length'), String(last - first + 1), what)
  t.ok(answer.body.equals(file.subarray(first, last + 1)), what)
}

function isWhole(t: Test, answer: Answer, what = '') {
  t.match(answer, { status: 200, complete: true }, what)
  t.equal(answer.header('content-range'), undefined, what)
  t.ok(answer.body.equals(file), what)
}

/** A 206 as an origin may write it: with fields of its own making (RFC 9110 section 15.3.7). */
function part(request: OriginRequest, exchange: Exchange, fields: Record<string, string>): Promise<void> {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.header('range')!)!
  const end = last === '' ? file.length - 1 : Math.min(Number(last), file.length - 1)
  const range = `bytes ${first}-${end}/${file.length}`
  return exchange.respond({
    status: 206,
    fields: { 'Content-Range': range, ...fields },
    body: file.subarray(Number(first), end + 1),
  })
}

t.test('RFC 9111 section 3.3: a 206 is stored, and answers every range that it holds', async (t) => {
  const { origin, ask } = await start(t, (_request, exchange) => exchange.respondFile(file))
  isPart(t, await ask({ range: 'bytes=10-19' }), 10, 19)
  const asked = origin.requests.length
  for (const [range, first, last] of [
    ['bytes=0-0', 0, 0],
    ['bytes=5-15', 5, 15],
    [`bytes=0-${S - 1}`, 0, S - 1],
    ['BYTES=3-4', 3, 4],
    ['bytes=3-4, ', 3, 4],
    ['bytes= 3-4', 3, 4],
  ] as const) {
    const answer = await ask({ range })
    // Spaces are not in the grammar of RFC 9110 section 14.1.1 but around commas: a whole answer is right as well.
    if (range.includes(' ') && answer.status === 200) continue
    isPart(t, answer, first, last, range)
    t.equal(answer.header('x-cache'), 'HIT', range)
    t.equal(origin.requests.length, asked)
  }
})

t.test('RFC 9111 section 3.3: a 206 is never an answer to a request without Range', async (t) => {
  const { ask } = await start(t, (_request, exchange) => exchange.respondFile(file))
  await ask({ range: 'bytes=0-9' })
  isWhole(t, await ask())
  await ask({ range: `bytes=-${S}` })
  isWhole(t, await ask())
  const head = await ask({ method: 'HEAD', range: 'bytes=0-9' })
  t.match(head, { status: 200, length: 0 }, 'Range is for GET (RFC 9110 section 14.2)')
  t.equal(head.header('content-length'), String(file.length))
})

t.test(
  'RFC 9111 section 3.4: parts with one strong ETag are combined, and only what is missing is fetched',
  async (t) => {
    const { origin, ask } = await start(t, (_request, exchange) => exchange.respondFile(file))
    await ask({ range: 'bytes=0-9' })
    await ask({ range: `bytes=${2 * S}-${2 * S + 9}` })
    isWhole(t, await ask())
    const ranges = origin.requests.map((request) => request.header('range'))
    t.ok(
      ranges.slice(2).every((range) => range !== undefined),
      `nothing is fetched twice: ${ranges}`,
    )
    t.ok(origin.requests.slice(1).every((request) => request.header('if-range') !== undefined))
    t.equal((await ask()).header('x-cache'), 'HIT')
  },
)

const NOT_STRONG: Record<string, Record<string, string>> = {
  'a weak ETag': { ETag: 'W/"a"' },
  'no validator': {},
}

for (const [what, validators] of Object.entries(NOT_STRONG)) {
  t.test(`RFC 9111 section 3.4: parts with ${what} are not combined`, async (t) => {
    const other = bytesOf(71, file.length)
    let bytes = file
    const { ask } = await start(t, (request, exchange) => {
      const fields: Record<string, string> = { 'Cache-Control': 'max-age=60', ...validators }
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.header('range') ?? '') ?? []
      if (first === undefined) return exchange.respond({ fields, body: bytes })
      const end = Math.min(Number(last), bytes.length - 1)
      fields['Content-Range'] = `bytes ${first}-${end}/${bytes.length}`
      return exchange.respond({ status: 206, fields, body: bytes.subarray(Number(first), end + 1) })
    })
    await ask({ range: 'bytes=0-9' })
    bytes = other
    const whole = await ask()
    t.ok(whole.body.equals(other) || whole.body.equals(file), 'all of one, nothing of the other')
    const across = await ask({ range: `bytes=${S - 5}-${S + 4}` })
    const wanted = [file, other].map((version) => version.subarray(S - 5, S + 5))
    t.ok(wanted.some((bytes) => bytes.equals(across.body)))
  })
}

t.test(
  'RFC 9111 section 3.4: a 206 with the same strong ETag brings the stored fields up to date',
  async (t) => {
    let round = '1'
    const { origin, ask } = await start(t, async (request, exchange) => {
      const fields = {
        ETag: '"a"',
        'Cache-Control': 'max-age=60',
        'X-Round': round,
        'Content-Type': 'text/plain',
      }
      await part(request, exchange, fields)
    })
    isPart(t, await ask({ range: 'bytes=0-9' }), 0, 9)
    round = '2'
    isPart(t, await ask({ range: `bytes=${S}-${S + 9}` }), S, S + 9)
    const stored = await ask({ range: 'bytes=0-9' })
    t.equal(stored.header('x-cache'), 'HIT')
    t.equal(stored.header('x-round'), '2')
    t.equal(stored.header('etag'), '"a"')
    t.equal(stored.header('content-length'), '10')
    t.equal(origin.requests.length, 2)
  },
)

t.test('RFC 9111 section 3.4: and its freshness', async (t) => {
  stopClock(t)
  let age = '50'
  const { origin, ask } = await start(t, async (request, exchange) => {
    await part(request, exchange, { ETag: '"a"', 'Cache-Control': 'max-age=60', Age: age })
  })
  await ask({ range: 'bytes=0-9' })
  t.match((await ask({ range: 'bytes=0-9' })).header('cache-status'), /ttl=10;/)
  age = '0'
  await ask({ range: `bytes=${S}-${S + 9}` })
  const stored = await ask({ range: 'bytes=0-9' })
  t.match(stored.header('cache-status'), /ttl=(59|60);/)
  t.equal(stored.header('age'), '0')
  t.equal(origin.requests.length, 2)
})

t.test('RFC 9110 section 15.3.7: a 206 to If-Range may leave fields out; the stored ones stay', async (t) => {
  const full = {
    'Content-Type': 'text/plain',
    'X-Kept': '1',
    'Last-Modified': JANUARY,
    'Content-Language': 'de',
  }
  const { ask } = await start(t, async (request, exchange) => {
    const fields: Record<string, string> = { ETag: '"a"', 'Cache-Control': 'max-age=60' }
    await part(request, exchange, request.header('if-range') ? fields : { ...fields, ...full })
  })
  await ask({ range: 'bytes=0-9' })
  for (const range of [`bytes=${S}-${S + 9}`, 'bytes=0-9', `bytes=0-${2 * S}`]) {
    const answer = await ask({ range })
    t.equal(answer.status, 206)
    for (const [name, value] of Object.entries(full)) t.equal(answer.header(name), value, `${name}, ${range}`)
  }
})

t.test('RFC 9110 section 15.3.7: a 206 has the fields that a 200 would have', async (t) => {
  const fields = {
    Expires: new Date(Date.now() + 60_000).toUTCString(),
    Vary: 'X-V',
    'Content-Location': '/y',
    'X-Own': '1',
  }
  const { ask } = await start(t, (_request, exchange) => exchange.respondFile(file, { fields }))
  for (const round of ['cold', 'warm']) {
    const answer = await ask({ range: 'bytes=0-9' })
    isPart(t, answer, 0, 9, round)
    for (const name of [
      'date',
      'cache-control',
      'etag',
      'last-modified',
      'content-type',
      ...Object.keys(fields),
    ]) {
      t.type(answer.header(name), 'string', `${name}, ${round}`)
    }
    const several = await ask({ range: 'bytes=0-9, 100-109' })
    t.equal(several.status, 206)
    t.equal(several.header('content-range'), undefined, 'parts say it themselves')
    t.match(several.header('content-type'), /^multipart\/byteranges; *boundary=/)
  }
})

t.test('RFC 9111 section 3.3: what is fresh in parts is validated when it is stale', async (t) => {
  let cacheControl = 'max-age=0'
  const { origin, ask } = await start(t, (_request, exchange) => exchange.respondFile(file, { cacheControl }))
  await ask({ range: 'bytes=0-9' })
  cacheControl = 'max-age=60'
  const answer = await ask({ range: 'bytes=3-4' })
  isPart(t, answer, 3, 4)
  t.equal(answer.header('x-cache'), 'REVALIDATED')
  t.match(origin.requests[1].header('if-none-match'), /^"/)
  isPart(t, await ask({ range: 'bytes=3-4' }), 3, 4)
  t.equal(origin.requests.length, 2)
})

t.test(
  'RFC 9111 section 3.3: a body that was cut is no complete response; its whole slices may be kept',
  async (t) => {
    const { origin, ask } = await start(t, async (_request, exchange) => {
      if (origin.requests.length > 1) return exchange.respondFile(file, { etag: '"a"' })
      const length = String(file.length)
      await exchange.head({
        fields: { 'Content-Length': length, ETag: '"a"', 'Cache-Control': 'max-age=60' },
      })
      await exchange.write(file.subarray(0, 2 * S + 100))
      exchange.end()
    })
    await ask()
    isWhole(t, await ask())
    isWhole(t, await ask())
  },
)

t.test('RFC 9110 section 14.1: a unit that is not known: the whole', async (t) => {
  const { ask } = await start(t, (_request, exchange) => exchange.respondFile(file))
  for (const round of ['cold', 'warm']) {
    for (const range of [
      'lines=1-2',
      'seconds=1-2',
      'bytes',
      'bytes=',
      'bytes=a-b',
      'bytes=5-3',
      'x',
      'byte=0-1',
    ]) {
      const answer = await ask({ range })
      // RFC 9110 section 14.2: an invalid or unknown one is ignored; `bytes=` may count as unsatisfiable.
      if (range === 'bytes=' && answer.status === 416) continue
      isWhole(t, answer, `${range}, ${round}`)
    }
  }
})

t.test('RFC 9110 section 14.2: Range of anything but a 200 is ignored', async (t) => {
  for (const status of [203, 404, 410, 500]) {
    const { ask } = await start(t, (_request, exchange) =>
      exchange.respond({ status, fields: { 'Cache-Control': 'max-age=60', ETag: '"a"' }, body: 'an answer' }),
    )
    for (const result of ['MISS', 'HIT']) {
      const answer = await ask({ range: 'bytes=0-1' })
      t.match(answer, { status }, result)
      t.equal(answer.header('x-cache'), result)
      t.equal(answer.body.toString(), 'an answer')
      t.equal(answer.header('content-range'), undefined)
    }
  }
})

t.test('RFC 9110 section 14.2: Range of other methods is the origin’s business', async (t) => {
  const { origin, ask } = await start(t, (_request, exchange) => exchange.respond({ body: 'posted' }))
  const answer = await ask({ method: 'POST', range: 'bytes=0-1' })
  t.match(answer, { status: 200 })
  t.equal(answer.body.toString(), 'posted')
  t.equal(origin.requests[0].header('range'), 'bytes=0-1')
})

t.test(
  'RFC 9110 section 13.1.5: If-Range with a date counts only if the date is a strong validator',
  async (t) => {
    const recent = new Date(Date.now() - 2000).toUTCString()
    for (const [what, lastModified, date, condition, expected] of [
      ['an old one', JANUARY, new Date().toUTCString(), JANUARY, 206],
      ['changed in the second before Date', recent, recent, recent, 200],
      ['another date', JANUARY, new Date().toUTCString(), recent, 200],
      [
        'the same moment in another format',
        JANUARY,
        new Date().toUTCString(),
        'Thursday, 01-Jan-26 00:00:00 GMT',
        'either',
      ],
    ] as const) {
      const { ask } = await start(t, (_request, exchange) =>
        exchange.respondFile(file, {
          etag: null,
          lastModified,
          cacheControl: 'max-age=60',
          fields: { Date: date },
        }),
      )
      isWhole(t, await ask())
      const answer = await ask({ range: 'bytes=0-9', headers: { 'If-Range': condition } })
      t.equal(answer.header('x-cache'), 'HIT', what)
      if (expected === 'either') t.ok(answer.status === 200 || answer.status === 206)
      else t.equal(answer.status, expected, what)
      if (answer.status === 206) isPart(t, answer, 0, 9, what)
      else isWhole(t, answer, what)
    }
  },
)

t.test('a 206 that may not be stored is for its client alone', async (t) => {
  const { origin, ask } = await start(t, (_request, exchange) =>
    exchange.respondFile(file, { cacheControl: 'private' }),
  )
  for (let i = 0; i < 2; i++) isPart(t, await ask({ range: 'bytes=5-9' }), 5, 9)
  t.equal(origin.requests.length, 2)
})

t.test('RFC 9111 section 3.3: 416 is not stored, and takes nothing away', async (t) => {
  const { ask } = await start(t, (_request, exchange) =>
    exchange.respondFile(file, { cacheControl: 'max-age=60' }),
  )
  const beyond = `bytes=${100 * S}-`
  for (let i = 0; i < 2; i++) {
    const answer = await ask({ range: beyond })
    t.match(answer, { status: 416 })
    t.equal(answer.header('content-range'), `bytes */${file.length}`)
  }
  isWhole(t, await ask())
  t.match(await ask({ range: beyond }), { status: 416 })
  t.equal((await ask()).header('x-cache'), 'HIT')
})

t.test(
  'Accept-Ranges and whole representations: a stored one answers ranges though its origin has none',
  async (t) => {
    const { origin, ask } = await start(t, (_request, exchange) =>
      exchange.respondFile(file, { ranges: false }),
    )
    isWhole(t, await ask())
    isPart(t, await ask({ range: `bytes=${S - 3}-${S + 3}` }), S - 3, S + 3)
    isPart(t, await ask({ range: 'bytes=-7' }), file.length - 7, file.length - 1)
    isPart(t, await ask({ range: `bytes=${file.length - 2}-` }), file.length - 2, file.length - 1)
    t.equal(origin.requests.length, 1)
  },
)
