import { gzipSync } from 'node:zlib'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

const S = 64 * 1024
const file = bytesOf(70, 4 * S + 11)
const gzipped = gzipSync(file)

t.test('B23: HEAD is answered from a sliced object, complete or with holes', async (t) => {
  const origin = await fileOrigin(t, { '/whole': file, '/part': file }, { type: 'video/x-test' })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  await get(`${proxy.url}/whole`)
  await get(`${proxy.url}/part`, { range: `bytes=${2 * S}-${2 * S}` })
  const requests = origin.requests.length
  for (const path of ['/whole', '/part']) {
    const head = await get(proxy.url + path, { method: 'HEAD' })
    t.match(head, { status: 200, length: 0, complete: true })
    t.equal(head.header('content-length'), String(file.length))
    t.equal(head.header('content-type'), 'video/x-test')
    t.equal(head.header('content-range'), undefined)
    t.equal(head.header('x-cache'), 'HIT')
  }
  t.equal(origin.requests.length, requests)
})

t.test(
  'B23: HEAD on what is not stored asks by HEAD, and leaves nothing that a GET could take for a body',
  async (t) => {
    const origin = await fileOrigin(t, { '/f': file })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    const head = await get(`${proxy.url}/f`, { method: 'HEAD' })
    t.match(head, { status: 200, length: 0 })
    t.equal(head.header('content-length'), String(file.length))
    t.same(
      origin.requests.map((request) => request.method),
      ['HEAD'],
    )
    const answer = await get(`${proxy.url}/f`)
    t.ok(answer.complete && answer.body.equals(file))
    t.equal((await get(`${proxy.url}/f`)).header('x-cache'), 'HIT')
  },
)

/** An origin that compresses when it is asked to: with a tag for each form, or, wrongly, one tag for both. */
for (const [etags, vary] of [
  ['two ETags', true],
  ['the same ETag', true],
  ['two ETags', false],
  ['the same ETag', false],
] as const) {
  t.test(
    `B23: gzip and identity under ${etags}, ${vary ? 'with' : 'without'} Vary, are never sliced together`,
    async (t) => {
      const origin = await startOrigin(t, (request, exchange) => {
        const coded = /gzip/.test(request.header('accept-encoding') ?? '')
        return exchange.respondFile(coded ? gzipped : file, {
          etag: etags === 'the same ETag' || !coded ? '"x"' : '"x-gzip"',
          fields: {
            ...(vary && { Vary: 'Accept-Encoding' }),
            ...(coded && { 'Content-Encoding': 'gzip' }),
          } as Record<string, string>,
        })
      })
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
      const url = `${proxy.url}/f`
      // The two kinds of clients take turns at the slices, then ask for all.
      for (let index = 0; index < 4; index++) {
        for (const coding of index % 2 === 0 ? ['gzip', 'identity'] : ['identity', 'gzip']) {
          const range = `bytes=${index * S}-${index * S + 99}`
          const answer = await get(url, { range, headers: { 'Accept-Encoding': coding } })
          const form = answer.header('content-encoding') === 'gzip' ? gzipped : file
          t.ok(answer.body.equals(form.subarray(index * S, index * S + 100)), `${coding}, slice ${index}`)
          if (vary) t.equal(form === gzipped, coding === 'gzip')
        }
      }
      for (const coding of ['gzip', 'identity', 'gzip', 'identity']) {
        const answer = await get(url, { headers: { 'Accept-Encoding': coding } })
        const form = answer.header('content-encoding') === 'gzip' ? gzipped : file
        t.ok(answer.complete && answer.body.equals(form), `${coding}, all`)
        if (vary) t.equal(form === gzipped, coding === 'gzip')
      }
    },
  )
}
