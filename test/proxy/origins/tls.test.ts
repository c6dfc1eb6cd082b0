import { createServer } from 'node:http'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get, sendRaw } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { certificateFile } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { startServer } from '../../helpers/server.ts'

const file = bytesOf(52, 200_000)
const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n'

t.test('an https origin whose certificate nobody signed is refused, upgrades too', async (t) => {
  const origin = await fileOrigin(t, { '/file': file }, { tls: true })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of ['GET', 'POST']) {
    const answer = await get(`${proxy.url}/file`, { method })
    t.equal(answer.status, 502)
    t.match(answer.header('proxy-status'), /^slicestream; error=tls_certificate_error/)
  }
  t.match((await sendRaw(proxy.url, HANDSHAKE)).toString(), /^HTTP\/1.1 502 .*error=tls_certificate_error/s)
  t.equal(origin.requests.length, 0, 'no request was sent over it')
})

t.test('tls_verify: false takes any certificate', async (t) => {
  const origin = await fileOrigin(t, { '/file': file }, { tls: true })
  const proxy = await startProxy(t, { upstream: origin.url, tlsVerify: false })
  t.ok((await get(`${proxy.url}/file`)).body.equals(file))
  t.ok((await get(`${proxy.url}/file`, { method: 'POST' })).body.equals(file))
  origin.use(async (_request, exchange) => {
    exchange.takeOver()
    await exchange.write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
    exchange.end()
  })
  t.match((await sendRaw(proxy.url, HANDSHAKE)).toString(), /^HTTP\/1.1 101 .*hello$/s)
})

t.test('a certificate that the operator trusts is accepted', async (t) => {
  const origin = await fileOrigin(t, { '/file': file }, { tls: true })
  const server = await startServer(
    t,
    { upstream_address: origin.url },
    { NODE_EXTRA_CA_CERTS: certificateFile },
  )
  t.ok((await get(`${server.url}/file`)).body.equals(file))
})

t.test('a plain origin that is asked in TLS: 502, tls_protocol_error', async (t) => {
  const plain = createServer((_request, response) => response.end('plain'))
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  t.teardown(() => plain.close())
  const { port } = plain.address() as { port: number }
  const proxy = await startProxy(t, { upstream: `https://127.0.0.1:${port}`, maxRetries: 0 })
  const answer = await get(`${proxy.url}/x`)
  t.equal(answer.status, 502)
  t.match(answer.header('proxy-status'), /error=tls_protocol_error/)
})
