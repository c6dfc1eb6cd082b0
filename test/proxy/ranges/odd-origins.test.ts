import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { etagOf } from '../../helpers/file-response.ts'
import { type Exchange, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { faultOf, rangeHeader, type Spec, type Wanted } from './expected.ts'

const S = 64 * 1024
const file = bytesOf(30, 7 * S + 17)
const N = file.length
const ETAG = etagOf(file)
/** What an origin may change to: any of these is right, a mixture of them never. */
const other = bytesOf(31, N)
const short = bytesOf(32, 1000)

/** Sends a 206 with this Content-Range, this body and further fields; Content-Length unless another framing is given. */
async function send206(
  exchange: Exchange,
  contentRange: string | null,
  body: Buffer,
  fields: Record<string, string> = {},
) {
  const all: Record<string, string> = { ETag: ETAG, 'Cache-Control': 'max-age=3600', ...fields }
  if (contentRange !== null) all['Content-Range'] = contentRange
  await exchange.respond({ status: 206, fields: all, body })
}

type Lie = (exchange: Exchange, first: number, last: number) => Promise<void>

const LIES: Record<string, Lie> = {
  'the neighbouring range': (exchange, first, last) => {
    const shift = first === 0 ? S : -S
    return send206(
      exchange,
      `bytes ${first + shift}-${last + shift}/${N}`,
      file.subarray(first + shift, last + shift + 1),
    )
  },
  'a shorter range, honestly': (exchange, first, last) =>
    send206(exchange, `bytes ${first}-${last - 1}/${N}`, file.subarray(first, last)),
  'a longer range': (exchange, first, last) =>
    send206(exchange, `bytes ${first}-${last + 1}/${N + 5}`, file.subarray(first, last + 2)),
  'no total': (exchange, first, last) =>
    send206(exchange, `bytes ${first}-${last}/*`, file.subarray(first, last + 1)),
  'a total that is too small': (exchange, first, last) =>
    send206(exchange, `bytes ${first}-${last}/${last}`, file.subarray(first, last + 1)),
  'no Content-Range': (exchange, first, last) => send206(exchange, null, file.subarray(first, last + 1)),
  'a Content-Range that is none': (exchange, first, last) =>
    send206(exchange, `bytes=${first}-${last}/${N}`, file.subarray(first, last + 1)),
  'bytes */n': (exchange, first, last) => send206(exchange, `bytes */${N}`, file.subarray(first, last + 1)),
  'another unit': (exchange, first, last) =>
    send206(exchange, `lines ${first}-${last}/${N}`, file.subarray(first, last + 1)),
  'numbers beyond 2^53': (exchange, first, last) =>
    send206(exchange, `bytes ${first}-${last}/99999999999999999999`, file.subarray(first, last + 1)),
  'a Content-Length that is not that of the range': (exchange, first, last) =>
    send206(exchange, `bytes ${first}-${last}/${N}`, file.subarray(first, last)),
  'multipart/byteranges': (exchange, first, last) =>
    send206(
      exchange,
      null,
      Buffer.concat([
        Buffer.from(`\r\n--b\r\nContent-Range: bytes ${first}-${last}/${N}\r\n\r\n`),
        file.subarray(first, last + 1),
        Buffer.from('\r\n--b--\r\n'),
      ]),
      { 'Content-Type': 'multipart/byteranges; boundary=b' },
    ),
  'a Content-Encoding that the whole does not have': (exchange, first, last) =>
    send206(exchange, `bytes ${first}-${last}/${N}`, other.subarray(first, last + 1), {
      'Content-Encoding': 'gzip',
    }),
  'another ETag': (exchange, first, last) =>
    send206(exchange, `bytes ${first}-${last}/${N}`, other.subarray(first, last + 1), { ETag: '"other"' }),
  'a chunked body that is too short': async (exchange, first, last) => {
    await exchange.head({
      status: 206,
      fields: { ETag: ETAG, 'Content-Range': `bytes ${first}-${last}/${N}`, 'Transfer-Encoding': 'chunked' },
    })
    await exchange.chunk(file.subarray(first, last))
    await exchange.chunk()
  },
  'a chunked body that is too long': async (exchange, first, last) => {
    await exchange.head({
      status: 206,
      fields: { ETag: ETAG, 'Content-Range': `bytes ${first}-${last}/${N}`, 'Transfer-Encoding': 'chunked' },
    })
    await exchange.chunk(Buffer.concat([file.subarray(first, last + 1), Buffer.from('more')]))
    await exchange.chunk()
  },
  'a 304': (exchange) => exchange.respond({ status: 304, fields: { ETag: ETAG } }),
  'a 200 of another length under the same ETag': (exchange) =>
    exchange.respond({ fields: { ETag: ETAG }, body: short }),
  'a 404': (exchange) => exchange.respond({ status: 404, body: 'gone' }),
  'a 500': (exchange) => exchange.respond({ status: 500, body: 'oops' }),
}

for (const [what, lie] of Object.entries(LIES)) {
  t.test(`B17: an origin that answers a range with ${what}: right bytes, an error or a cut`, async (t) => {
    let lying = false
    const origin = await startOrigin(t, (request, exchange) => {
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.header('range') ?? '') ?? []
      if (!lying || first === undefined) return exchange.respondFile(file)
      return lie(exchange, Number(first), last === '' ? N - 1 : Math.min(Number(last), N - 1))
    })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, maxRetries: 1 })

    // With slice 1 stored, or nothing: one range in it, one across its ends, one elsewhere, and everything.
    const requests: (Wanted | null)[] = [
      { first: 0, last: 0 },
      { first: 2 * S + 5, last: 4 * S },
      { first: S - 1, last: 2 * S },
      { first: 5, last: null },
      null,
    ]
    for (const warm of [false, true]) {
      for (const [i, spec] of requests.entries()) {
        const url = `${proxy.url}/${warm}/${i}`
        lying = false
        if (warm) await get(url, { range: `bytes=${S}-${S}` })
        lying = true
        const specs: Wanted[] = [spec ?? { first: 0, last: null }]
        const range = spec ? rangeHeader(specs) : undefined
        const seen = origin.requests.length
        const answer = await get(url, { range })
        const name = `${range ?? 'all'}, ${warm ? 'warm' : 'cold'}`
        if (answer.status < 300) {
          const faults = [file, other, short].map((each) => faultOf(answer, each, specs))
          const prefix = file.subarray(specs[0].first, specs[0].first + answer.length)
          t.ok(
            faults.includes(undefined) || (!answer.complete && prefix.equals(answer.body)),
            `${name}: ${faults}`,
          )
        }
        t.ok(
          origin.requests.length - seen <= 8,
          `${name}: ${origin.requests.length - seen} upstream requests`,
        )
        lying = false
        // A slice of the other representation may be stored: then one client more is cut when the change shows.
        let next = await get(url)
        if (!next.complete) next = await get(url)
        t.ok(next.complete, name)
        if (next.status === 200) {
          const right = [file, other, short].some((each) => each.equals(next.body))
          t.ok(right, `${name}: whole when the origin is honest again`)
        } else {
          t.equal(next.header('x-cache'), 'HIT', `${name}: an error that was cacheable`)
        }
      }
    }
  })
}

t.test('B17: an origin without ranges: one transfer, cut into slices, serves every range', async (t) => {
  const origin = await fileOrigin(t, { '/f': file }, { ranges: false })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const wanted: Spec[] = [{ first: 3 * S - 1, last: N }, { first: 0, last: 0 }, { suffix: 5 }]
  for (const spec of wanted) {
    const answer = await get(`${proxy.url}/f`, { range: rangeHeader([spec]) })
    t.equal(answer.status, 206)
    t.equal(faultOf(answer, file, [spec]), undefined)
  }
  t.equal(origin.requests.length, 1)
})

for (const chunked of [false, true]) {
  t.test(
    `B17: an origin that ignores Range after the third slice${chunked ? ', chunked' : ''}`,
    async (t) => {
      const origin = await startOrigin(t, (request, exchange) => {
        const first = Number(request.header('range')?.slice(6).split('-')[0] ?? 0)
        return exchange.respondFile(file, first < 3 * S ? {} : { ranges: false, chunked })
      })
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
      for (let index = 0; index < 8; index++) {
        const spec = { first: index * S + 3, last: Math.min(N - 1, (index + 1) * S) }
        const answer = await get(`${proxy.url}/f`, { range: rangeHeader([spec]) })
        t.equal(faultOf(answer, file, [spec]), undefined, `slice ${index}`)
      }
      const requests = origin.requests.length
      t.ok((await get(`${proxy.url}/f`)).body.equals(file))
      t.equal(origin.requests.length, requests, 'all slices are there, the short last one too')
    },
  )
}

t.test('B17: a right 206 in the chunked coding is as good as one with a length', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.header('range') ?? '')!
    const end = Math.min(Number(last), N - 1)
    await exchange.head({
      status: 206,
      fields: {
        ETag: ETAG,
        'Cache-Control': 'max-age=3600',
        'Content-Range': `bytes ${first}-${end}/${N}`,
        'Transfer-Encoding': 'chunked',
      },
    })
    await exchange.chunk(file.subarray(Number(first), end + 1))
    await exchange.chunk()
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const spec = { first: S - 5, last: 2 * S + 5 }
  for (const xCache of ['MISS', 'HIT']) {
    const answer = await get(`${proxy.url}/f`, { range: rangeHeader([spec]) })
    t.equal(answer.header('x-cache'), xCache)
    t.equal(faultOf(answer, file, [spec]), undefined)
  }
})

t.test('B17: a 206 to a request without Range is refused', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    send206(exchange, `bytes 0-9/${N}`, file.subarray(0, 10)),
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  for (let turn = 0; turn < 2; turn++) {
    const answer = await get(`${proxy.url}/f`)
    t.equal(answer.status, 502)
    t.match(answer.header('proxy-status'), /http_protocol_error/)
  }
})
