import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startServer } from '../helpers/server.ts'
import { bearer, startPurged, withToken } from '../plugins/purged.ts'

t.test('a ban holds after SIGKILL, in both tiers, and what came after it stays', async (t) => {
  const { server, origin, purgeAs, stillThere, warm } = await startPurged(t, withToken)
  const all = ['/dir/a?key=k', '/dir/b', '/c?tag=k', '/d', '/e?group=k']
  const ways: [string, Record<string, string>, string[]][] = [
    ['/dir/*', {}, ['/c?tag=k', '/d', '/e?group=k']],
    ['/', { 'x-purge-tag': 'k' }, ['/dir/b', '/d']],
    ['/', { 'x-purge-all': 'true' }, []],
  ]
  for (const [path, headers, left] of ways) {
    await warm(all)
    await persisted(server.metrics)
    t.equal((await purgeAs(path, headers)).status, 200)
    await server.kill('SIGKILL')
    origin.dropConnections()
    await server.start()
    t.same(await stillThere(all), left, path)
    await persisted(server.metrics)
    await server.kill('SIGKILL')
    await server.start()
    t.same(await stillThere(all), all, 'fetched after the purge: not older than it')
  }
})

t.test('a soft ban and an invalidated group hold after SIGKILL', async (t) => {
  const body = bytesOf(1, 100)
  const origin = await startOrigin(t, (request, exchange) => {
    const fields: string[] =
      request.method === 'POST'
        ? ['Cache-Group-Invalidation', '"g"']
        : ['Cache-Control', 'max-age=600', 'ETag', '"1"', 'Cache-Groups', '"g"']
    return exchange.respond({ fields, body })
  })
  const server = await startServer(t, { upstream_address: origin.url, purge: withToken })
  const result = async () => (await get(`${server.url}/a`)).header('x-cache')
  for (const invalidate of [
    () => get(`${server.url}/a`, { method: 'PURGE', headers: { ...bearer, 'x-purge-soft': 'true' } }),
    () => get(`${server.url}/other`, { method: 'POST' }),
  ]) {
    await result()
    t.equal(await result(), 'HIT')
    await persisted(server.metrics)
    await invalidate()
    // Its answer waits for the disk, and so for what came before: that of the POST does not.
    await get(`${server.url}/`, { method: 'PURGE', headers: { ...bearer, 'x-purge-tag': 'other' } })
    await server.kill('SIGKILL')
    origin.dropConnections()
    await server.start()
    t.equal(await result(), 'EXPIRED')
  }
})

/** Resolves when what was stored is on the disk: it is read again after the process is killed. */
async function persisted(metrics: string): Promise<void> {
  for (;;) {
    const text = (await get(`${metrics}/metrics`)).body.toString()
    if (/^cache_l2_pending_bytes 0$/m.test(text)) return
  }
}
