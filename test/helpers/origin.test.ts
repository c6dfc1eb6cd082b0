import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import t from 'tap'
import { bytesOf, sha256 } from './bytes.ts'
import { connect, get, sendRaw, slowClient, stalledClient } from './client.ts'
import { fileOrigin } from './file-origin.ts'
import { JANUARY } from './file-response.ts'
import { certificateFile, startOrigin } from './origin.ts'
import { until } from './until.ts'

const file = bytesOf(1, 300_001)

t.test('the same seed gives the same bytes, another seed others', async (t) => {
  t.equal(sha256(bytesOf(7, 1001)), sha256(bytesOf(7, 1001)))
  t.not(sha256(bytesOf(7, 1001)), sha256(bytesOf(8, 1001)))
  t.equal(bytesOf(7, 1001).length, 1001)
  t.same(bytesOf(7, 1001), bytesOf(7, 2000).subarray(0, 1001))
})

t.test('a file origin answers as RFC 9110 asks', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const url = `${origin.url}/file`
  const whole = await get(url)
  t.match(whole, { status: 200, complete: true, framing: 'length', length: file.length })
  t.ok(whole.body.equals(file))
  const etag = whole.header('etag')!

  const part = await get(url, { range: 'bytes=100-199' })
  t.equal(part.status, 206)
  t.equal(part.header('content-range'), `bytes 100-199/${file.length}`)
  t.ok(part.body.equals(file.subarray(100, 200)))
  t.ok((await get(url, { range: 'bytes=-5' })).body.equals(file.subarray(-5)), 'suffix')
  t.ok((await get(url, { range: 'bytes=300000-' })).body.equals(file.subarray(300_000)), 'open')
  t.equal((await get(url, { range: 'bytes=0-9999999' })).length, file.length, 'the end is clamped')
  const beyond = await get(url, { range: 'bytes=300001-' })
  t.equal(beyond.status, 416)
  t.equal(beyond.header('content-range'), `bytes */${file.length}`)

  t.equal((await get(url, { range: 'bytes=0-0', headers: { 'If-Range': etag } })).status, 206)
  t.equal((await get(url, { range: 'bytes=0-0', headers: { 'If-Range': '"other"' } })).status, 200)
  t.equal((await get(url, { headers: { 'If-None-Match': etag } })).status, 304)
  t.equal((await get(url, { headers: { 'If-Modified-Since': JANUARY } })).status, 304)
  const head = await get(url, { method: 'HEAD' })
  t.match(head, { status: 200, length: 0, complete: true })
  t.equal(head.header('content-length'), String(file.length))
  t.equal((await get(`${origin.url}/none`)).status, 404)
  t.equal(origin.requests.length, 12)
  t.equal(origin.requests[1].header('range'), 'bytes=100-199')
})

t.test('chunked files and files without validators', async (t) => {
  const origin = await fileOrigin(t, { '/f': file }, { chunked: true, etag: null, lastModified: null })
  const answer = await get(`${origin.url}/f`)
  t.match(answer, { framing: 'chunked', complete: true })
  t.equal(answer.header('etag'), undefined)
  t.ok(answer.body.equals(file))
})

t.test('a cut body shows at the client, whatever the framing', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    const framing = request.target === '/chunked' ? 'Transfer-Encoding: chunked' : 'Content-Length: 1000'
    await exchange.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`)
    if (request.target === '/chunked') await exchange.chunk('abc')
    else await exchange.write('abc')
    if (request.target === '/reset') await exchange.reset()
    else exchange.end()
  })
  t.match(await get(`${origin.url}/length`), { complete: false, length: 3, ended: 'fin' })
  t.match(await get(`${origin.url}/chunked`), { complete: false, length: 3, ended: 'fin' })
  t.match(await get(`${origin.url}/reset`), { complete: false, length: 3, ended: 'ECONNRESET' })
})

t.test('a connection that ends before the response head is status 0', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.end())
  t.match(await get(`${origin.url}/`), { status: 0, complete: false, ended: 'fin' })
})

t.test('close-delimited, interim responses, duplicate fields, trailers: all as sent', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target === '/close') {
      await exchange.write('HTTP/1.1 200 OK\r\n\r\nto the end')
      return exchange.end()
    }
    await exchange.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')
    await exchange.write('HTTP/1.1 200 Fine\r\nX-A: 1\r\nx-a: \xe92\r\nTransfer-Encoding: chunked\r\n\r\n')
    await exchange.write('3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n')
  })
  const closed = await get(`${origin.url}/close`)
  t.match(closed, { framing: 'close', complete: true })
  t.equal(String(closed.body), 'to the end')
  const answer = await get(`${origin.url}/all`)
  t.match(answer, { interim: [103], statusText: 'Fine', complete: true })
  t.same(answer.fields.slice(0, 4), ['X-A', '1', 'x-a', '\xe92'])
  t.same(answer.trailers, ['X-Sum', '9'])
})

t.test('requests are recorded as they came, with bodies', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    const body = await request.body
    await exchange.respond({ body: String(body.length) })
  })
  const headers = ['X-Odd', 'a', 'x-odd', 'b']
  const answer = await get(`${origin.url}/a/../b?c=%2F`, { method: 'PUT', headers, body: 'hello' })
  t.equal(String(answer.body), '5')
  const [request] = origin.requests
  t.match(request, { method: 'PUT', target: '/a/../b?c=%2F', received: 5 })
  t.same(request.fields.slice(2, 6), headers)
  t.equal(String(await request.body), 'hello')
})

t.test('keep-alive and pipelining on one connection', async (t) => {
  const origin = await fileOrigin(t, { '/a': file, '/b': Buffer.from('b') })
  const connection = await connect(origin.url)
  t.teardown(connection.close)
  t.equal((await connection.request('/a')).length, file.length)
  t.equal((await connection.request('/b')).length, 1)
  connection.write('GET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n')
  t.equal((await connection.answer()).length, 1)
  t.equal((await connection.answer()).length, file.length)
  t.equal(origin.connections, 1)
  t.same(
    origin.requests.map((request) => request.turn),
    [0, 1, 2, 3],
  )
  const raw = await sendRaw(origin.url, 'GET /b HTTP/1.1\r\nHost: x\r\n\r\n', 100)
  t.match(raw.toString(), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nb$/s)
})

t.test('a client that gives up, one that is slow and one that never reads', async (t) => {
  const big = bytesOf(2, 32 * 1024 * 1024)
  const origin = await fileOrigin(t, { '/big': big, '/file': file })
  const aborted = await get(`${origin.url}/big`, { abortAfter: 100_000 })
  t.equal(aborted.complete, false)
  t.ok(aborted.length >= 100_000 && aborted.length < 300_000)

  const slow = await slowClient(`${origin.url}/file`, 1_000_000)
  t.ok(slow.body.equals(file))

  const before = origin.bytesSent
  const stalled = await stalledClient(`${origin.url}/big`)
  await new Promise((resolve) => setTimeout(resolve, 200))
  const taken = origin.bytesSent - before
  t.ok(taken > 0 && taken < big.length / 2, `the kernel took ${taken} bytes of ${big.length}`)
  stalled.destroy()
})

t.test('the script ends when the peer has gone, and the origin can go away and come back', async (t) => {
  let finished = false
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.stall(60_000)
    finished = true
  })
  const waiting = get(`${origin.url}/`)
  await until(() => origin.requests.length === 1)
  origin.dropConnections()
  t.match(await waiting, { status: 0 })
  t.equal(finished, false)
  await origin.stop()
  await t.rejects(get(`${origin.url}/`), { code: 'ECONNREFUSED' })
  await origin.start()
  origin.use((_request, exchange) => exchange.respond({ body: 'back' }))
  t.equal(String((await get(`${origin.url}/`)).body), 'back')
})

t.test('an origin that speaks TLS with a certificate nobody vouches for', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'secret' }), {
    tls: true,
  })
  const ask = (options: object) =>
    new Promise<string>((resolve, reject) => {
      request(origin.url, options, (response) => response.on('data', (data) => resolve(String(data))))
        .on('error', reject)
        .end()
    })
  await t.rejects(ask({}), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.equal(await ask({ ca: readFileSync(certificateFile) }), 'secret')
})
