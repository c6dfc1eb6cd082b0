import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { JANUARY } from '../../helpers/file-response.ts'
import { startProxy } from '../../helpers/proxy.ts'

const S = 64 * 1024
const file = bytesOf(40, 3 * S + 9)
const RANGE = `bytes=${S - 2}-${S + 1}`
const PART = file.subarray(S - 2, S + 2)

type Expected = 200 | 206 | 304 | 412 | 416

const CASES: [what: string, etag: string, headers: Record<string, string>, expected: Expected][] = [
  ['If-Range with the strong ETag', '"a"', { 'If-Range': '"a"' }, 206],
  ['If-Range with another ETag', '"a"', { 'If-Range': '"b"' }, 200],
  ['If-Range with the weak form of the ETag', '"a"', { 'If-Range': 'W/"a"' }, 200],
  ['If-Range with a weak ETag that is the same', 'W/"a"', { 'If-Range': 'W/"a"' }, 200],
  ['If-Range with the strong form of a weak ETag', 'W/"a"', { 'If-Range': '"a"' }, 200],
  ['If-Range with the date', '"a"', { 'If-Range': JANUARY }, 206],
  ['If-Range with a later date', '"a"', { 'If-Range': 'Fri, 02 Jan 2026 00:00:00 GMT' }, 200],
  ['If-Range with an earlier date', '"a"', { 'If-Range': 'Wed, 31 Dec 2025 00:00:00 GMT' }, 200],
  ['If-Range with nonsense', '"a"', { 'If-Range': 'a' }, 200],
  ['If-None-Match that matches, with Range', '"a"', { 'If-None-Match': '"a"' }, 304],
  ['If-None-Match that does not, with Range', '"a"', { 'If-None-Match': '"b"' }, 206],
  ['If-None-Match *, with Range', '"a"', { 'If-None-Match': '*' }, 304],
  ['If-Modified-Since, not modified, with Range', '"a"', { 'If-Modified-Since': JANUARY }, 304],
  [
    'If-None-Match that does not match before If-Modified-Since',
    '"a"',
    { 'If-None-Match': '"b"', 'If-Modified-Since': JANUARY },
    206,
  ],
  ['If-Match that matches, with Range', '"a"', { 'If-Match': '"a"' }, 206],
  ['If-Match that does not, with Range', '"a"', { 'If-Match': '"b"' }, 412],
  [
    'If-Unmodified-Since of before, with Range',
    '"a"',
    { 'If-Unmodified-Since': 'Wed, 31 Dec 2025 00:00:00 GMT' },
    412,
  ],
  ['If-None-Match and If-Range that both fail', '"a"', { 'If-None-Match': '"b"', 'If-Range': '"b"' }, 200],
]

for (const [what, etag, headers, expected] of CASES) {
  t.test(`B18: ${what}: ${expected}, cold and warm`, async (t) => {
    const origin = await fileOrigin(t, { '/cold': file, '/part': file, '/whole': file }, { etag })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    await get(`${proxy.url}/whole`)
    await get(`${proxy.url}/part`, { range: 'bytes=0-0' })
    for (const path of ['/cold', '/cold', '/part', '/whole']) {
      const answer = await get(proxy.url + path, { range: RANGE, headers })
      t.match(answer, { status: expected, complete: true }, path)
      if (expected === 206) t.ok(answer.body.equals(PART), path)
      if (expected === 200) t.ok(answer.body.equals(file), path)
      if (expected === 304) t.match(answer, { length: 0 }, path)
      if (expected !== 412) t.equal(answer.header('etag'), etag, path)
    }
  })
}

t.test('B18: If-Range that fails makes a range beyond the end harmless: all of it, not 416', async (t) => {
  const origin = await fileOrigin(t, { '/cold': file, '/whole': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  await get(`${proxy.url}/whole`)
  for (const path of ['/cold', '/cold', '/whole']) {
    const answer = await get(proxy.url + path, { range: `bytes=${8 * S}-`, headers: { 'If-Range': '"b"' } })
    t.equal(answer.status, 200, path)
    t.ok(answer.body.equals(file), path)
    const beyond = await get(proxy.url + path, {
      range: `bytes=${8 * S}-`,
      headers: { 'If-Range': answer.header('etag')! },
    })
    t.equal(beyond.status, 416, path)
  }
})
