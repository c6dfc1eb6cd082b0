import fs, { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createBans } from '../../../lib/cache/bans/bans.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { tempDir } from '../../helpers/scope.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const MIB = 1024 * 1024

/** A proxy whose sweeps come so many milliseconds after a ban. */
async function start(t: Test, script: Script, sweepAfter: number) {
  const origin = await startOrigin(t, script)
  const dir = tempDir(t)
  const file = join(dir, 'bans')
  const bansOf = (fastify: FastifyInstance) => fastify.bans!
  const tier = async (fastify: FastifyInstance) => {
    const bans = createBans({ file, outlivedByStores: true, sweepAfter })
    fastify.decorate('bans', bans)
    fastify.addHook('onClose', () => bans.close())
  }
  const proxy = await startProxy(t, {
    upstream: origin.url,
    sliceSize: SLICE,
    l2: 64 * MIB,
    dir: join(dir, 'l2'),
    tier,
  })
  const result = async (path: string) => (await get(proxy.url + path)).header('x-cache')
  return { origin, proxy, file, result, bans: () => bansOf(proxy.fastify) }
}

/** Every tenth path has the tag; bodies are of three slices. */
const tagged: Script = async (request, exchange) => {
  const number = Number(request.target.slice(2))
  if (request.method === 'POST') {
    return exchange.respond({ fields: { 'Cache-Group-Invalidation': '"g"' }, body: 'done' })
  }
  const fields = {
    'Cache-Control': 'max-age=600, stale-while-revalidate=600',
    ...(number % 10 === 0 && { 'Cache-Tag': 'ten', 'Cache-Groups': '"g"' }),
  }
  await exchange.respond({ fields, body: bytesOf(number, 2 * SLICE + 5) })
}

const PATHS = Array.from({ length: 40 }, (_, i) => `/f${i}`)
const TENTHS = ['/f0', '/f10', '/f20', '/f30']

t.test(
  'a sweep takes out of both tiers what a ban made useless, then the ban is not needed any more',
  async (t) => {
    const { proxy, file, result, bans } = await start(t, tagged, 50)
    for (const path of PATHS) await result(path)
    await proxy.l2!.flush()
    t.equal(proxy.l1!.stats().entries, 40 * 4, 'a head and three slices each')
    await proxy.fastify.sliceProxy!.purgeTags(['ten'])
    t.match(readFileSync(file, 'utf8'), /"tag":"ten"/)
    await until(() => bans().counts.sweeps === 1)
    for (const store of [proxy.l1!, proxy.l2!]) t.equal(store.stats().entries, 36 * 4, store.name)
    t.equal(bans().counts.swept, 4)
    t.equal(bans().counts.inForce, 0)
    await until(() => readFileSync(file, 'utf8') === 'slicestream bans 1\n')
    // Without the file: what was purged is gone, and no ban is needed for that.
    await proxy.close()
    rmSync(file)
    await proxy.restart()
    for (const path of TENTHS) t.equal(await result(path), 'MISS')
    t.equal(await result('/f1'), 'HIT')
  },
)

for (const [name, expected] of [
  ['a soft ban', 'STALE'],
  ['an invalidated group', 'EXPIRED'],
] as const) {
  t.test(`a sweep writes what ${name} says into the heads, so that it holds without it`, async (t) => {
    const { proxy, file, result, bans } = await start(t, tagged, 50)
    for (const path of PATHS) await result(path)
    await proxy.l2!.flush()
    if (expected === 'STALE') await proxy.fastify.sliceProxy!.purgeTags(['ten'], { soft: true })
    else await get(`${proxy.url}/x`, { method: 'POST' })
    await until(() => bans().counts.sweeps === 1)
    t.equal(bans().counts.inForce, 0)
    t.equal(proxy.l1!.stats().entries, 40 * 4)
    await proxy.close()
    rmSync(file)
    await proxy.restart()
    for (const path of TENTHS) t.equal(await result(path), expected)
    t.equal(await result('/f1'), 'HIT')
  })
}

for (const method of ['GET', 'POST']) {
  t.test(
    `what ${method} asked for before a ban is not kept, though the ban is forgotten since`,
    async (t) => {
      const gate = Promise.withResolvers<void>()
      const fields = { 'Cache-Control': 'max-age=60', 'Cache-Tag': 'slow', 'Content-Location': '/slow' }
      const slowly: Script = async (request, exchange) => {
        if (request.target !== '/slow') return exchange.respond({ body: 'x' })
        if (origin.requests.length === 1) await exchange.stall(gate.promise)
        await exchange.respond({ fields, body: String(origin.requests.length) })
      }
      const { origin, proxy, result, bans } = await start(t, slowly, 20)
      const early = get(`${proxy.url}/slow`, { method, body: method === 'POST' ? 'a' : undefined })
      await until(() => origin.requests.length === 1)
      await proxy.fastify.sliceProxy!.purgeTags(['slow'])
      await until(() => bans().counts.inForce === 0)
      gate.resolve()
      await early
      t.equal(await result('/slow'), 'MISS', 'older than the purge: not kept')
      t.equal(await result('/slow'), 'HIT')
      await until(() => bans().counts.inForce === 0)
    },
  )
}

t.test('what was purged while the origin thought does not stand in for its error', async (t) => {
  const gate = Promise.withResolvers<void>()
  const failing: Script = async (_request, exchange) => {
    const fields = { 'Cache-Control': 'max-age=0, stale-if-error=600', 'Cache-Tag': 'k', ETag: '"1"' }
    if (origin.requests.length === 1) return exchange.respond({ fields, body: 'old' })
    await exchange.stall(gate.promise)
    await exchange.respond({ status: 503, body: 'no' })
  }
  const { origin, proxy } = await start(t, failing, 60_000)
  await get(`${proxy.url}/x`)
  const waiting = get(`${proxy.url}/x`)
  await until(() => origin.requests.length === 2)
  await proxy.fastify.sliceProxy!.purgeTags(['k'])
  gate.resolve()
  t.equal((await waiting).status, 503)
})

t.test('requests during sweeps and bans get what is right', async (t) => {
  let version = 0
  const versioned: Script = (request, exchange) => {
    const fields = { 'Cache-Control': 'max-age=600', 'Surrogate-Key': `all k${request.target.slice(2)}` }
    return exchange.respond({ fields, body: String(version) })
  }
  const { proxy, bans } = await start(t, versioned, 5)
  const { sliceProxy } = proxy.fastify
  const ways = [
    () => sliceProxy!.purgeTags(['all']),
    () => sliceProxy!.purgePaths('/f', null),
    () => sliceProxy!.purgePaths('/*', `127.0.0.1:${proxy.port}`),
    () => sliceProxy!.purgeAll(),
  ]
  let running = true
  /** Versions that were current when the last purge was answered: nothing older may come. */
  let floor = 0
  const clients = Array.from({ length: 4 }, async (_, at) => {
    for (let i = at; running; i += 7) {
      const least = floor
      const answer = await get(`${proxy.url}/f${i % 40}`)
      if (Number(answer.body.toString()) < least)
        t.fail(`version ${answer.body} after ${least} was purged for`)
    }
  })
  for (let turn = 0; turn < 60; turn++) {
    version++
    const current = version
    await ways[turn % ways.length]()
    floor = current
    await get(`${proxy.url}/f${turn % 40}`)
  }
  await until(() => bans().counts.sweeps > 2)
  running = false
  await Promise.all(clients)
  t.ok(proxy.counters.l1Hits > 0)
})

t.test('without a file, what has tags and is older than the process is validated once', async (t) => {
  const origin = await startOrigin(t, tagged)
  const tier = async (fastify: FastifyInstance) =>
    void fastify.decorate('bans', createBans({ file: null, outlivedByStores: true }))
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l2: 64 * MIB, tier })
  const result = async (path: string) => (await get(proxy.url + path)).header('x-cache')
  for (const path of ['/f10', '/f1']) await result(path)
  await proxy.l2!.flush()
  await proxy.restart()
  t.same([await result('/f10'), await result('/f10')], ['EXPIRED', 'HIT'])
  t.equal(await result('/f1'), 'HIT')
})

t.test(
  'a bans file that cannot be written: the purge is in force, and says that it would not last',
  async (t) => {
    const origin = await startOrigin(t, tagged)
    const dir = tempDir(t)
    const tier = async (fastify: FastifyInstance) => {
      fastify.decorate('bans', createBans({ file: join(dir, 'folder/bans'), outlivedByStores: true }))
    }
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l2: 64 * MIB, dir, tier })
    const result = async (path: string) => (await get(proxy.url + path)).header('x-cache')
    await result('/f10')
    writeFileSync(join(dir, 'folder'), 'in the way')
    await t.rejects(proxy.fastify.sliceProxy!.purgeTags(['ten']), { code: 'ENOTDIR' })
    t.equal(await result('/f10'), 'MISS')
  },
)

t.test('a damaged bans file: everything stored counts as purged', async (t) => {
  const { proxy, file, result } = await start(t, tagged, 60_000)
  for (const path of ['/f1', '/f2']) await result(path)
  await proxy.l2!.flush()
  for (const tag of ['a', 'b']) await proxy.fastify.sliceProxy!.purgeTags([tag])
  await proxy.close()
  writeFileSync(file, readFileSync(file, 'utf8').replace('"a"', '"x"'))
  await proxy.restart()
  for (const path of ['/f1', '/f2']) t.same([await result(path), await result(path)], ['MISS', 'HIT'])
})

t.test('a URL whose file cannot be removed is purged all the same, after a restart too', async (t) => {
  const { proxy, result } = await start(t, tagged, 60_000)
  await result('/f1')
  await proxy.l2!.flush()
  const { unlink } = fs
  t.teardown(() => void (fs.unlink = unlink))
  fs.unlink = ((_path: fs.PathLike, done: (error: Error) => void) => {
    process.nextTick(done, Object.assign(new Error('EIO'), { code: 'EIO' }))
  }) as typeof fs.unlink
  await proxy.fastify.sliceProxy!.purge(`${proxy.url}/f1`)
  fs.unlink = unlink
  await proxy.restart()
  t.equal(await result('/f1'), 'MISS')
})

t.test('HEAD does not make fresh again what was purged softly, by its length alone', async (t) => {
  const plain: Script = (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=600', 'Cache-Tag': 'k' }, body: 'some' })
  const { proxy, result } = await start(t, plain, 60_000)
  await result('/x')
  await proxy.fastify.sliceProxy!.purgeTags(['k'], { soft: true })
  await get(`${proxy.url}/x`, { method: 'HEAD' })
  t.equal(await result('/x'), 'EXPIRED')
})

t.test('a body of unknown length that was purged softly as it came, is not kept as fresh', async (t) => {
  const gate = Promise.withResolvers<void>()
  const chunked: Script = async (_request, exchange) => {
    const fields = { 'Cache-Control': 'max-age=600', 'Cache-Tag': 'k', 'Transfer-Encoding': 'chunked' }
    await exchange.head({ fields })
    await exchange.chunk('some')
    if (origin.requests.length === 1) await exchange.stall(gate.promise)
    await exchange.chunk()
  }
  const { origin, proxy, result, bans } = await start(t, chunked, 20)
  const first = result('/x')
  await until(() => proxy.counters.bytesToClients === 4)
  await proxy.fastify.sliceProxy!.purgeTags(['k'], { soft: true })
  await until(() => bans().counts.inForce === 0)
  gate.resolve()
  await first
  t.not(await result('/x'), 'HIT')
})
