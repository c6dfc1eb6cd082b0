import t, { type Test } from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { type Exchange, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../until.ts'
import { partsOf } from './expected.ts'

const S = 64 * 1024
const LENGTH = 10 * 1024 ** 3
// A prime period: slices at different places differ.
const pattern = bytesOf(50, 1_000_003)
/** Response heads and what is on its way when a transfer is stopped. */
const HEAD_BYTES = 1000

function patternAt(first: number, last: number): Buffer {
  const pieces: Buffer[] = []
  for (let at = first; at <= last; ) {
    const from = at % pattern.length
    const piece = pattern.subarray(from, from + last - at + 1)
    pieces.push(piece)
    at += piece.length
  }
  return Buffer.concat(pieces)
}

/** An origin with one object of 10 GiB. */
async function hugeOrigin(t: Test, ranges: boolean) {
  const origin = await startOrigin(t, async (request, exchange: Exchange) => {
    const fields: Record<string, string> = { ETag: '"huge"', 'Cache-Control': 'max-age=3600' }
    const [, from, to] = (ranges && /^bytes=(\d*)-(\d*)$/.exec(request.header('range') ?? '')) || []
    const first = from === undefined ? 0 : from === '' ? LENGTH - Number(to) : Number(from)
    const last = !to || from === '' ? LENGTH - 1 : Math.min(Number(to), LENGTH - 1)
    if (from !== undefined) fields['Content-Range'] = `bytes ${first}-${last}/${LENGTH}`
    fields['Content-Length'] = String(last - first + 1)
    await exchange.head({ status: from === undefined ? 200 : 206, fields })
    for (let at = first; at <= last; at += 256 * 1024)
      await exchange.write(patternAt(at, Math.min(at + 256 * 1024 - 1, last)))
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  return { origin, proxy, url: `${proxy.url}/huge` }
}

for (const [range, offset] of [
  ['bytes=0-0', 0],
  [`bytes=${5 * 1024 ** 3 + 7}-${5 * 1024 ** 3 + 7}`, 5 * 1024 ** 3 + 7],
  [`bytes=${LENGTH - 1}-`, LENGTH - 1],
  ['bytes=-1', LENGTH - 1],
] as const) {
  t.test(`B19: ${range} of 10 GiB costs the origin one slice`, async (t) => {
    const { origin, proxy, url } = await hugeOrigin(t, true)
    for (let turn = 0; turn < 2; turn++) {
      const answer = await get(url, { range })
      t.match(answer, { status: 206, length: 1 })
      t.equal(answer.header('content-range'), `bytes ${offset}-${offset}/${LENGTH}`)
      t.equal(answer.body[0], pattern[offset % pattern.length])
    }
    await until(() => proxy.counters.fillsNow === 0)
    // The second one of a suffix may cost a slice again: the first did not begin at a slice's boundary.
    t.ok(origin.requests.length <= 2)
    t.ok(origin.bytesSent <= origin.requests.length * (S + HEAD_BYTES), `${origin.bytesSent} bytes`)
  })
}

t.test('B19: n single bytes far from each other cost at most n slices, and once', async (t) => {
  const { origin, proxy, url } = await hugeOrigin(t, true)
  const offsets = Array.from({ length: 10 }, (_, i) => i * 1024 ** 3 + 12345)
  const range = `bytes=${offsets.map((offset) => `${offset}-${offset}`).join(',')}`
  for (const xCache of ['MISS', 'HIT']) {
    const answer = await get(url, { range })
    t.equal(answer.header('x-cache'), xCache)
    const parts = partsOf(answer)
    t.same(
      parts.map((part) => part.first),
      offsets,
    )
    t.same(
      parts.map((part) => part.bytes[0]),
      offsets.map((offset) => pattern[offset % pattern.length]),
    )
  }
  await until(() => proxy.counters.fillsNow === 0)
  t.equal(origin.requests.length, 10)
  t.ok(origin.bytesSent <= 10 * (S + HEAD_BYTES), `${origin.bytesSent} bytes`)
})

t.test('B19: of an origin without ranges the transfer is stopped when the byte has been sent', async (t) => {
  const { origin, proxy, url } = await hugeOrigin(t, false)
  const answer = await get(url, { range: 'bytes=3-3' })
  t.match(answer, { status: 206, length: 1 })
  t.equal(answer.body[0], pattern[3])
  await until(() => proxy.counters.fillsNow === 0 && origin.open === 0)
  // What the sockets of both sides hold is the kernel's choice.
  t.ok(origin.bytesSent < 16 * 1024 ** 2, `${origin.bytesSent} bytes`)
})

t.test('B20: a thousand overlapping ranges are answered by at most the object, once', async (t) => {
  const file = bytesOf(51, 5 * S)
  const origin = await fileOrigin(t, { '/f': file, '/cold': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  await get(`${proxy.url}/f`)
  const lists: Record<string, string[]> = {
    'all the same': Array.from({ length: 1000 }, () => '0-'),
    'each a little shorter': Array.from({ length: 1000 }, (_, i) => `${i}-`),
    suffixes: Array.from({ length: 1000 }, (_, i) => `-${i + 1}`),
    'apart from each other': Array.from({ length: 1000 }, (_, i) => `${i * 10}-${i * 10}`),
  }
  for (const [what, list] of Object.entries(lists)) {
    for (const path of ['/cold', '/f']) {
      const before = origin.bytesSent
      const answer = await get(proxy.url + path, { range: `bytes=${list.join(',')}` })
      t.ok([200, 206, 416].includes(answer.status), `${what}: ${answer.status}`)
      t.ok(answer.complete && answer.length <= file.length, `${what}: ${answer.length} bytes`)
      t.ok(origin.bytesSent - before <= file.length + 4 * HEAD_BYTES, `${what}: the origin's side too`)
    }
  }
})

t.test('B20: parts with their heads are never longer than the object (nginx 1.29.5)', async (t) => {
  for (const size of [20, 100, 500, 1000, 1900, 3000]) {
    const file = bytesOf(size, size)
    const origin = await fileOrigin(t, { '/f': file })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    for (let turn = 0; turn < 2; turn++) {
      const answer = await get(`${proxy.url}/f`, {
        range: 'bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18',
      })
      t.ok(answer.complete && answer.length <= size, `${answer.length} of ${size} bytes`)
      if (answer.status === 200) t.ok(answer.body.equals(file))
      else t.ok(partsOf(answer).every(({ first, bytes }) => bytes[0] === file[first]))
    }
  }
})
