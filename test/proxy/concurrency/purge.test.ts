import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { etagOf } from '../../helpers/file-response.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { type Proxy as RunningProxy, startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const old = bytesOf(37, 6 * SLICE + 5)
const young = bytesOf(38, 4 * SLICE + 5)

const TAGGED = { 'Surrogate-Key': 's t u' }

/** What makes everything under a URL old, each in its way. */
const PURGES: Record<string, (proxy: RunningProxy, url: string) => Promise<unknown>> = {
  'purge of the URL': (proxy, url) => proxy.fastify.sliceProxy!.purge(url),
  'purge of all': (proxy) => proxy.fastify.sliceProxy!.purgeAll(),
  'purge of a prefix': ({ fastify }) => fastify.sliceProxy!.purgePaths('/fi', null),
  'purge of a glob on one host': ({ fastify, port }) =>
    fastify.sliceProxy!.purgePaths('/*le', `127.0.0.1:${port}`),
  'purge of a tag': ({ fastify }) => fastify.sliceProxy!.purgeTags(['t']),
  'an unsafe method': (_proxy, url) => get(url, { method: 'POST' }),
}

for (const [name, purge] of Object.entries(PURGES)) {
  t.test(`D37 ${name}: nothing older is served again, from no tier and after a restart`, async (t) => {
    const origin = await fileOrigin(t, { '/file': old }, { fields: TAGGED })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l2: 16 * 1024 * 1024 })
    const url = `${proxy.url}/file`
    await get(url)
    await proxy.l2!.flush()
    origin.files['/file'] = young
    t.ok((await get(url)).body.equals(old), 'a hit')
    await purge(proxy, url)
    const after = await get(url)
    t.equal(after.header('x-cache'), 'MISS')
    t.ok(after.body.equals(young))

    await purge(proxy, url)
    await proxy.restart()
    const asked = origin.requests.length
    t.ok((await get(url)).body.equals(young))
    t.equal(origin.requests.length, asked + 1, 'the purge holds after a restart')
  })

  t.test(
    `D37 ${name} while a fill is under way: its readers get what they began, nobody else does`,
    async (t) => {
      for (const moment of ['before the head', 'in the body']) {
        let goOn = () => {}
        const gate = new Promise<void>((resolve) => (goOn = resolve))
        const slowly: Script = async (request, exchange) => {
          if (request.method === 'POST') return exchange.respond({ body: 'done' })
          if (origin.requests.length > 1) return exchange.respondFile(young, { fields: TAGGED })
          if (moment === 'before the head') await exchange.stall(gate)
          const fields = {
            'Content-Length': String(old.length),
            ETag: etagOf(old),
            'Cache-Control': 'max-age=60',
            ...TAGGED,
          }
          await exchange.head({ fields })
          await exchange.write(old.subarray(0, 3 * SLICE))
          if (moment === 'in the body') await exchange.stall(gate)
          await exchange.write(old.subarray(3 * SLICE))
        }
        const origin = await startOrigin(t, slowly)
        const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l2: 16 * 1024 * 1024 })
        const url = `${proxy.url}/file`
        const readers = Promise.all([get(url), get(url)])
        await until(() => proxy.counters.requests === 2)
        // Both of them: who is behind when what is stored goes has the rest to ask for, and is cut.
        if (moment === 'in the body') await until(() => proxy.counters.bytesToClients === 6 * SLICE)
        else await until(() => origin.requests.length === 1)

        await purge(proxy, url)
        const later = get(url)
        if (moment === 'before the head')
          t.ok((await later).body.equals(young), 'does not wait for the old answer')
        goOn()
        for (const { body } of await readers) {
          // One that still waited for the head may ask for itself, and then gets what is there now.
          const waited = moment === 'before the head' && body.equals(young)
          t.ok(waited || body.equals(old), `a reader from before, ${moment}`)
        }
        t.ok((await later).body.equals(young), `a request after the purge, ${moment}`)
        const next = await get(url)
        t.equal(next.header('x-cache'), 'HIT')
        t.ok(next.body.equals(young), `and the next, ${moment}`)
        for (const store of [proxy.l1!, proxy.l2!]) {
          t.equal(
            store.stats().entries,
            1 + 5,
            `${store.name}: a head and its slices, none left over, ${moment}`,
          )
        }
        await proxy.l2!.flush()
        await proxy.restart()
        t.ok((await get(url)).body.equals(young), `and after a restart, ${moment}`)
      }
    },
  )
}

for (const moment of ['before the head', 'in the body']) {
  t.test(
    `D37 a tag purged ${moment} of a transfer: nothing of it is kept, also when nobody asks again`,
    async (t) => {
      const gate = Promise.withResolvers<void>()
      const origin = await startOrigin(t, async (_request, exchange) => {
        if (moment === 'before the head') await exchange.stall(gate.promise)
        await exchange.head({
          fields: { 'Content-Length': String(old.length), ETag: etagOf(old), ...TAGGED },
        })
        await exchange.write(old.subarray(0, 3 * SLICE))
        if (moment === 'in the body') await exchange.stall(gate.promise)
        await exchange.write(old.subarray(3 * SLICE))
      })
      const proxy = await startProxy(t, {
        upstream: origin.url,
        sliceSize: SLICE,
        cacheTtl: 60,
        l2: 16 * 1024 * 1024,
      })
      const reader = get(`${proxy.url}/file`)
      if (moment === 'in the body') await until(() => proxy.counters.bytesToClients >= 3 * SLICE)
      else await until(() => origin.requests.length === 1)
      await proxy.fastify.sliceProxy!.purgeTags(['t'])
      gate.resolve()
      t.ok((await reader).body.equals(old))
      await until(() => proxy.counters.fillsNow === 0)
      for (const store of [proxy.l1!, proxy.l2!]) t.equal(store.stats().entries, 0, store.name)
    },
  )
}

t.test('D37 a purge between the slices of a response: it ends whole or cut, never mixed', async (t) => {
  const origin = await fileOrigin(t, { '/file': old })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const url = `${proxy.url}/file`
  // Slices 0 and 3 are stored, the rest is missing.
  await get(url, { range: 'bytes=0-9' })
  await get(url, { range: `bytes=${3 * SLICE}-${3 * SLICE + 9}` })
  const connection = await connect(proxy.url)
  connection.write(`GET /file HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`)
  await until(() => proxy.counters.bytesToClients > 20)
  origin.files['/file'] = young
  await proxy.fastify.sliceProxy!.purge(url)
  const answer = await connection.answer()
  connection.close()
  if (answer.complete) t.ok(answer.body.equals(old))
  else t.ok(old.subarray(0, answer.length).equals(answer.body))
  t.ok((await get(url)).body.equals(young))
})

t.test('D37 an unsafe method purges when it succeeded, not when the origin refused it', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    const status = request.method === 'GET' ? 200 : Number(request.header('x-answer'))
    await exchange.respond({ status, fields: { 'Cache-Control': 'max-age=60' }, body: 'x' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const url = `${proxy.url}/x`
  for (const [method, answer, result] of [
    ['POST', 204, 'MISS'],
    ['PUT', 201, 'MISS'],
    ['DELETE', 302, 'MISS'],
    ['MKCOL', 200, 'MISS'],
    ['POST', 404, 'HIT'],
    ['PUT', 500, 'HIT'],
    ['OPTIONS', 200, 'HIT'],
    ['PROPFIND', 207, 'HIT'],
  ] as const) {
    await get(url)
    await get(url, { method, headers: { 'X-Answer': String(answer) } })
    t.equal((await get(url)).header('x-cache'), result, `${method} ${answer}`)
  }
})
