import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { bytesOf, sha256 } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const MiB = 1024 * 1024
const file = bytesOf(11, 3 * MiB + 17)

t.test('uploads arrive byte for byte, whatever their content type says they are', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.respond({ body: sha256(await request.body) })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const types = [
    'application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain; charset=utf-16',
    'application/octet-stream',
    'nonsense',
    '',
  ]
  for (const type of types) {
    const answer = await get(`${proxy.url}/up`, {
      method: 'PUT',
      headers: { 'Content-Type': type },
      body: file,
    })
    t.equal(answer.body.toString(), sha256(file), JSON.stringify(type))
    t.equal(origin.requests.at(-1)!.header('content-type'), type)
    t.equal(origin.requests.at(-1)!.header('content-length'), String(file.length))
  }
})

t.test('a chunked upload stays chunked and whole', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.respond({ body: sha256(await request.body) })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  t.teardown(() => connection.close())
  connection.write('POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (let at = 0; at < file.length; at += 70_000) {
    const piece = file.subarray(at, at + 70_000)
    connection.write(`${piece.length.toString(16)};ext=1\r\n`)
    connection.write(piece)
    connection.write('\r\n')
  }
  connection.write('0\r\n\r\n')
  t.equal((await connection.answer()).body.toString(), sha256(file))
  t.equal(origin.requests[0].header('transfer-encoding'), 'chunked')
  t.equal(origin.requests[0].header('content-length'), undefined)
  t.equal(
    (await connection.request('/again', { method: 'POST', body: 'x' })).body.toString(),
    sha256(Buffer.from('x')),
  )
})

t.test('the origin has the first bytes while the client still sends', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.respond({ body: sha256(await request.body) })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  t.teardown(() => connection.close())
  connection.write('POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst')
  await until(() => origin.requests[0]?.received === 5)
  connection.write('after')
  t.equal((await connection.answer()).body.toString(), sha256(Buffer.from('firstafter')))
})

t.test(
  'an origin that does not read holds the client back: an upload is not collected in the proxy',
  async (t) => {
    const origin = await startOrigin(t, async (_request, exchange) => {
      exchange.socket.pause()
      await exchange.gone
    })
    const proxy = await startProxy(t, { upstream: origin.url })
    const connection = await connect(proxy.url)
    t.teardown(() => connection.close())
    const size = 256 * MiB
    connection.write(`POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`)
    const piece = Buffer.alloc(MiB)
    let sent = 0
    let taken = 0
    const send = () => {
      if (sent >= size || connection.socket.destroyed) return
      sent += piece.length
      connection.socket.write(piece, () => {
        taken = sent
        send()
      })
    }
    send()
    let before = -1
    while (taken !== before) {
      before = taken
      await wait(300)
    }
    t.ok(taken > 0)
    t.ok(taken < 64 * MiB, `${taken / MiB} MiB left the client, the kernel's buffers included`)
  },
)

t.test('Expect: 100-continue is answered, and the upload arrives', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.respond({ body: sha256(await request.body) })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  t.teardown(() => connection.close())
  connection.write('PUT /up HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
  const interim = await connection.wire.until('\r\n\r\n')
  t.match(interim!.toString(), /^HTTP\/1\.1 100 /)
  connection.write('body')
  t.equal((await connection.answer()).body.toString(), sha256(Buffer.from('body')))
  t.equal(origin.requests[0].header('expect'), undefined)
})

t.test('an origin that answers before it has the upload: the client gets that answer, whole', async (t) => {
  for (const [name, ending] of [
    ['closing', 'close'],
    ['keeping its connection', 'keep-alive'],
  ]) {
    const origin = await startOrigin(t, async (_request, exchange) => {
      exchange.socket.pause()
      await exchange.respond({ status: 413, fields: { Connection: ending }, body: 'too large\n' })
      if (ending === 'close') exchange.end()
      else await exchange.gone
    })
    const proxy = await startProxy(t, { upstream: origin.url })
    const connection = await connect(proxy.url)
    connection.write(`POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: ${64 * MiB}\r\n\r\n`)
    connection.write(file)
    const answer = await connection.answer()
    t.match(answer, { status: 413, complete: true }, name)
    t.equal(answer.body.toString(), 'too large\n', name)
    connection.close()
    t.match((await get(`${proxy.url}/up`, { method: 'POST', body: 'x' })).status, 413, 'the proxy lives')
  }
})

t.test('a client that breaks off its upload takes the upstream request with it', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.gone
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  connection.write('POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nonly this')
  await until(() => origin.requests[0]?.received === 9)
  connection.close()
  await until(() => origin.open === 0)
  t.equal(origin.requests.length, 1, 'and is not sent again')
})

// Node takes the socket from a request whose body was read: what was asked of it afterwards was asked of null, and
// the error ended the process.
t.test('the answer to an upload that is cut is cut for the client, and the proxy lives on', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await request.body
    await exchange.head({ fields: { 'Content-Length': '1000' } })
    await exchange.write('only this')
    await exchange.stall(30)
    exchange.end()
  })
  const proxy = await startProxy(t, { upstream: origin.url, accessLog: true })
  const answer = await get(`${proxy.url}/up`, { method: 'POST', body: file })
  t.match(answer, { status: 200, complete: false, length: 9 })
  origin.use((_request, exchange) => exchange.respond({ body: 'still here' }))
  for (const method of ['POST', 'GET']) {
    const next = await get(`${proxy.url}/up`, { method, body: method === 'POST' ? file : undefined })
    t.equal(next.body.toString(), 'still here', method)
  }
})
