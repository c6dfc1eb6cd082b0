import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { tempDir } from '../../helpers/scope.ts'

const S = 64 * 1024
const L2 = 64 * 1024 * 1024
const before = bytesOf(60, 6 * S + 50)
const after = bytesOf(61, 5 * S + 7)

for (const cached of [[1], [1, 3], [0, 2, 5], [5], [2, 3, 4]]) {
  t.test(`B21: a purge of an object with only slices ${cached} removes them all`, async (t) => {
    const origin = await fileOrigin(t, { '/f': before })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l2: L2 })
    const url = `${proxy.url}/f`
    for (const index of cached) await get(url, { range: `bytes=${index * S}-${index * S}` })
    await proxy.l2!.flush()
    t.equal(await proxy.fastify.sliceProxy!.purge(url), cached.length + 1, 'the slices and the head')
    t.equal(proxy.l1!.stats().entries, 0)
    t.equal(proxy.l2!.stats().entries, 0)
    origin.files['/f'] = after
    for (const index of cached) {
      const first = Math.min(index * S, after.length - 1)
      const answer = await get(url, { range: `bytes=${first}-${first}` })
      t.equal(answer.header('content-range'), `bytes ${first}-${first}/${after.length}`, 'the new total')
      t.ok(answer.body.equals(after.subarray(first, first + 1)))
    }
    t.ok((await get(url)).body.equals(after))
    await proxy.l2!.flush()
    await proxy.restart()
    t.ok((await get(url)).body.equals(after), 'after a restart too')
  })
}

t.test('B21: slices of two generations with different totals: one purge removes both', async (t) => {
  const origin = await fileOrigin(t, { '/f': before })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l2: L2 })
  const url = `${proxy.url}/f`
  await get(url, { range: `bytes=${S}-${2 * S}` })
  origin.files['/f'] = after
  await get(url, { range: `bytes=${4 * S}-${4 * S}` })
  await proxy.l2!.flush()
  await proxy.fastify.sliceProxy!.purge(url)
  t.equal(proxy.l1!.stats().entries, 0)
  t.equal(proxy.l2!.stats().entries, 0)
  t.ok((await get(url)).body.equals(after))
})

t.test('B21: a purge of what is not stored removes nothing and harms nothing', async (t) => {
  const origin = await fileOrigin(t, { '/f': before })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l2: L2 })
  t.equal(await proxy.fastify.sliceProxy!.purge(`${proxy.url}/f`), 0)
  t.ok((await get(`${proxy.url}/f`)).body.equals(before))
  t.equal(await proxy.fastify.sliceProxy!.purge(`${proxy.url}/other`), 0)
  t.equal((await get(`${proxy.url}/f`)).header('x-cache'), 'HIT')
})

t.test('B22: after a change of the slice size old slices are not used, and not misread', async (t) => {
  const dir = tempDir(t)
  const origin = await fileOrigin(t, { '/f': before, '/part': before })
  for (const [turn, sliceSize] of [S, 2 * S, 100_000, S].entries()) {
    // Without the host in the key: each of these proxies has a port of its own.
    const proxy = await startProxy(t, {
      upstream: origin.url,
      sliceSize,
      dir,
      l2: L2,
      cacheKey: { includeHost: false },
    })
    const requests = origin.requests.length
    const part = await get(`${proxy.url}/part`, { range: `bytes=${S - 5}-${3 * S + 5}` })
    t.equal(part.header('x-cache'), 'MISS', `turn ${turn}`)
    t.ok(part.complete && part.body.equals(before.subarray(S - 5, 3 * S + 6)))
    for (const xCache of ['MISS', 'HIT']) {
      const answer = await get(`${proxy.url}/f`)
      t.equal(answer.header('x-cache'), xCache)
      t.ok(answer.complete && answer.body.equals(before))
    }
    t.equal(origin.requests.length, requests + 2)
    await proxy.l2!.flush()
    await proxy.close()
  }
})
