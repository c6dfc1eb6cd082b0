import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { cutFile } from '../cut-file.ts'

const S = 64 * 1024
const file = bytesOf(1, 5 * S + 123)

for (const framing of ['length', 'chunked'] as const) {
  for (const validated of [true, false]) {
    const kind = `${framing === 'length' ? 'A1' : 'A2'}: a ${framing === 'length' ? 'Content-Length' : 'chunked'} body`
    t.test(`${kind} cut ${validated ? 'with' : 'without'} a validator never looks whole`, async (t) => {
      let cut = true
      const origin = await startOrigin(t, (request, exchange) => {
        const [, at, how] = request.target.split('/')
        const etag = validated ? undefined : null
        const end = cut ? Number(at) : Number.POSITIVE_INFINITY
        return cutFile(exchange, file, { at: end, framing, how: how as 'end' | 'reset', etag })
      })
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l2: 64 * 1024 * 1024 })
      const paths: string[] = []
      // A chunked body may lack only its last chunk; with Content-Length all bytes are all.
      const offsets = [
        0,
        1,
        S,
        S + 1,
        3 * S - 1,
        file.length - 1,
        ...(framing === 'chunked' ? [file.length] : []),
      ]
      for (const at of offsets) for (const how of ['end', 'reset']) paths.push(`/${at}/${how}`)

      for (const path of paths) {
        const answer = await get(proxy.url + path)
        t.notOk(answer.complete, `${path}: the client can tell`)
        t.ok(answer.body.equals(file.subarray(0, answer.length)), `${path}: what came is right`)
      }
      t.ok(proxy.counters.truncatedBodies >= paths.length)
      t.equal(proxy.counters.abortedResponses, paths.length)
      for (const path of paths) {
        const again = await get(proxy.url + path)
        t.notOk(again.complete, `${path}: nothing was stored as whole`)
      }
      cut = false
      for (const path of paths) {
        const answer = await get(proxy.url + path)
        t.ok(answer.complete && answer.body.equals(file), `${path}: whole once the origin is`)
        const hit = await get(proxy.url + path)
        t.match(hit, { complete: true, status: 200 })
        t.equal(hit.header('x-cache'), 'HIT')
        t.ok(hit.body.equals(file), `${path}: and a hit`)
      }
      await proxy.l2!.flush()
      await proxy.restart()
      const before = origin.requests.length
      for (const path of paths)
        t.ok((await get(proxy.url + path)).body.equals(file), `${path}: after a restart`)
      t.equal(origin.requests.length, before, 'all of it from the disk')
    })
  }
}

t.test('A1: without a validator nothing of a cut body is kept', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    cutFile(exchange, file, { at: 3 * S, etag: null }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l2: 64 * 1024 * 1024 })
  t.notOk((await get(`${proxy.url}/f`)).complete)
  await proxy.l2!.flush()
  t.equal(proxy.l1!.stats().entries, 0)
  t.equal(proxy.l2!.stats().entries, 0)
})

t.test('A1: with one, the whole slices are kept and only the rest is fetched', async (t) => {
  let at = 3 * S + 5
  const origin = await startOrigin(t, (_request, exchange) => cutFile(exchange, file, { at }))
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, maxRetries: 0 })
  t.notOk((await get(`${proxy.url}/f`)).complete)
  at = file.length
  t.ok((await get(`${proxy.url}/f`)).body.equals(file))
  t.same(
    origin.requests.map((request) => request.header('range')),
    [undefined, `bytes=${3 * S}-${file.length - 1}`],
  )
})

t.test('A3: a body that ends with its connection is passed on and not stored', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    const version = request.target === '/1.0' ? '1.0' : '1.1'
    await exchange.write(`HTTP/${version} 200 OK\r\nETag: "a"\r\nCache-Control: max-age=3600\r\n\r\n`)
    await exchange.write(file)
    exchange.end()
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  for (const path of ['/1.0', '/1.1']) {
    for (let turn = 1; turn <= 3; turn++) {
      const answer = await get(proxy.url + path)
      t.match(answer, { status: 200, complete: true })
      t.ok(answer.body.equals(file))
      t.equal(origin.requests.filter(({ target }) => target === path).length, turn)
    }
  }
  t.equal(proxy.l1!.stats().entries, 0)
})

t.test('A3: one that ends with a reset does not look whole', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.write(
      `HTTP/1.1 200 OK\r\n${request.target === '/close' ? 'Connection: close\r\n' : ''}\r\n`,
    )
    await exchange.write(file)
    await exchange.reset()
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  for (const path of ['/', '/close']) {
    const { status, complete } = await get(proxy.url + path)
    t.match({ status, complete }, { status: 200, complete: false }, path)
  }
  t.equal(proxy.counters.truncatedBodies, 2)
})

for (const when of ['with the body', 'a moment later'] as const) {
  t.test(`A4: bytes beyond Content-Length, sent ${when}, reach no client`, async (t) => {
    const smuggled = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nCache-Control: max-age=3600\r\n\r\nsmuggl'
    const origin = await startOrigin(t, async (request, exchange) => {
      if (request.target !== '/long') return exchange.respondFile(Buffer.from(request.target))
      await exchange.head({
        fields: { 'Content-Length': String(file.length), 'Cache-Control': 'max-age=3600' },
      })
      if (when === 'with the body') return exchange.write(Buffer.concat([file, Buffer.from(smuggled)]))
      await exchange.write(file)
      await exchange.stall(5)
      await exchange.write(smuggled)
    })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, maxConnections: 1 })
    for (let turn = 0; turn < 5; turn++) {
      const long = await get(`${proxy.url}/long`)
      t.match(long, { status: 200, complete: true })
      t.ok(long.body.equals(file))
      if (when === 'a moment later') await new Promise((resolve) => setTimeout(resolve, 20))
      const next = await get(`${proxy.url}/next${turn}`)
      t.equal(String(next.body), `/next${turn}`)
      await proxy.fastify.sliceProxy!.purge(`${proxy.url}/long`)
    }
  })
}
