import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import type { Scope } from '../../helpers/scope.ts'
import { ask, startPool } from './asking.ts'

const file = (name: string) => readFileSync(join(import.meta.dirname, '../../helpers/tls', name))
const body = bytesOf(3, 300_000)

/** An https origin that notes the name each connection asked for, and whether its session was known. */
async function startTls(t: Scope) {
  const seen: { name: string | false | null; reused: boolean }[] = []
  const server = createServer({ key: file('key.pem'), cert: file('cert.pem') }, (socket: TLSSocket) => {
    seen.push({ name: socket.servername, reused: socket.isSessionReused() })
    socket.on('error', () => {})
    socket.on('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
      socket.write(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  return { url: `https://127.0.0.1:${port}`, seen }
}

const of = (host: string) => ({ fields: ['Host', host] })

t.test('contents by TLS are whole, paused or not', async (t) => {
  const { url, seen } = await startTls(t)
  const pool = startPool(t, url, { tlsVerify: false })
  t.ok(Buffer.concat((await ask(pool, '/').ended).pieces).equals(body))
  const onData = (asked: { transfer: { pause(): void; resume(): void } }) => {
    asked.transfer.pause()
    setImmediate(() => asked.transfer.resume())
  }
  t.ok(Buffer.concat((await ask(pool, '/', { onData }).ended).pieces).equals(body))
  t.equal(seen.length, 1)
})

t.test(
  'the name is that of the Host field, none for an address; each has connections of its own',
  async (t) => {
    const { url, seen } = await startTls(t)
    const pool = startPool(t, url, { tlsVerify: false })
    for (const host of ['a.test', 'b.test:8443', 'a.test', '127.0.0.1:1', '[::1]', '127.0.0.1:1'])
      await ask(pool, '/', of(host)).ended
    t.same(
      seen.map(({ name }) => name),
      ['a.test', 'b.test', false],
    )
  },
)

t.test(
  'where there is no room for another name, an idle connection gives way; its session is known again',
  async (t) => {
    const { url, seen } = await startTls(t)
    const pool = startPool(t, url, { tlsVerify: false, maxConnections: 1 })
    for (const host of ['a.test', 'b.test', 'a.test'])
      t.equal((await ask(pool, '/', of(host)).ended).status, 200)
    t.same(seen, [
      { name: 'a.test', reused: false },
      { name: 'b.test', reused: false },
      { name: 'a.test', reused: true },
    ])
  },
)

t.test('a certificate must be valid for that name', async (t) => {
  const { url } = await startTls(t)
  const pool = startPool(t, url)
  t.match((await ask(pool, '/', of('localhost')).ended).failed, /^DEPTH_ZERO_SELF_SIGNED_CERT$/)
})
