import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createCounters } from '../../lib/cache/counters.ts'
import { createSink } from '../../lib/cache/sink.ts'
import { connect } from '../helpers/client.ts'
import type { Scope } from '../helpers/scope.ts'
import { until } from '../helpers/until.ts'

/** A server that hands each response to the test, by its path. */
async function startServer(t: Scope) {
  const responses = new Map<string, ServerResponse>()
  const server = createServer((req, res) => responses.set(req.url!, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const client = await connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => client.close())
  return {
    client,
    async response(path: string): Promise<ServerResponse> {
      client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await until(() => responses.has(path))
      return responses.get(path)!
    },
  }
}

/** Bytes, and how often they were said to be taken: from then on they are others. */
function lent(length: number) {
  const bytes = Buffer.alloc(length, 'a')
  const piece = {
    bytes,
    taken: 0,
    take() {
      piece.taken++
      bytes.fill(0xdb)
    },
  }
  return piece
}

t.test('bytes are taken once, when the kernel has them', async (t) => {
  const { client, response } = await startServer(t)
  const res = await response('/')
  const sink = createSink(res, res.req.socket, createCounters())
  res.writeHead(200, { 'Content-Length': 64 * 1024 * 1024 })
  const pieces = Array.from({ length: 512 }, () => lent(128 * 1024))
  for (const { bytes, take } of pieces) sink.write(bytes, take)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(pieces.at(-1)!.taken, 0, 'the client has not read anything')
  res.end()
  const { body } = await client.answer()
  t.ok(body.equals(Buffer.alloc(64 * 1024 * 1024, 'a')))
  await until(() => pieces.every(({ taken }) => taken === 1))
})

t.test('what a client that goes has not taken is taken all the same, once', async (t) => {
  const { client, response } = await startServer(t)
  const res = await response('/')
  const sink = createSink(res, res.req.socket, createCounters())
  res.writeHead(200)
  const pieces = Array.from({ length: 512 }, () => lent(128 * 1024))
  for (const { bytes, take } of pieces) sink.write(bytes, take)
  client.close()
  await until(() => sink.gone)
  const late = lent(10)
  t.ok(sink.write(late.bytes, late.take))
  await until(() => [...pieces, late].every(({ taken }) => taken > 0))
  t.ok([...pieces, late].every(({ taken }) => taken === 1))
})

t.test(
  'what was written to a pipelined response before its turn is not taken when that is destroyed',
  async (t) => {
    const { client, response } = await startServer(t)
    const first = await response('/first')
    const second = await response('/second')
    const sink = createSink(second, second.req.socket, createCounters())
    second.writeHead(200, { 'Content-Length': 1000 })
    const piece = lent(100)
    sink.write(piece.bytes, piece.take)
    second.destroy()
    await until(() => sink.gone)
    t.equal(piece.taken, 0)
    first.end('first')
    await client.answer()
    // Node forgets that it was destroyed.
    await client.wire.until('\r\n\r\n')
    t.same(await client.wire.some(100), Buffer.alloc(100, 'a'))
    client.close()
    await until(() => piece.taken > 0)
    t.equal(piece.taken, 1)
  },
)

t.test('whoever asked is told once that the client has gone, but not who has taken that back', async (t) => {
  const { client, response } = await startServer(t)
  const res = await response('/')
  const sink = createSink(res, res.req.socket, createCounters())
  const told: string[] = []
  sink.onGone(() => {
    told.push('first')
    takeBack()
  })
  const takeBack = sink.onGone(() => told.push('second'))
  sink.onGone(() => told.push('third'))
  client.close()
  await until(() => sink.gone)
  t.same(told, ['first', 'third'])
})

t.test('bytes that are taken within the write, and said to be once more, are taken once', async (t) => {
  const { response } = await startServer(t)
  const res = await response('/')
  const sink = createSink(res, res.req.socket, createCounters())
  const write = (_bytes: Buffer, taken: () => void) => {
    taken()
    taken()
    return true
  }
  t.intercept(res, 'write', { value: write })
  const piece = lent(10)
  sink.write(piece.bytes, piece.take)
  res.destroy()
  await until(() => sink.gone)
  t.equal(piece.taken, 1)
})
