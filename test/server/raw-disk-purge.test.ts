import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { askAll, SLICE, someFiles, startRawServer } from './raw-disk.ts'

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  t.test(`what was purged stays purged over ${signal}, the rest stays`, async (t) => {
    const files = someFiles(12)
    const origin = await fileOrigin(t, files)
    const raw = await startRawServer(t, origin.url)
    await askAll(t, raw, files)
    await raw.settled()
    t.ok((await raw.purge('/3')) > 0)
    await raw.server.kill(signal)
    origin.dropConnections()
    await raw.server.start()
    await raw.settled()
    t.equal((await raw.ask('/3')).header('x-cache'), 'MISS')
    t.equal((await raw.ask('/4')).header('x-cache'), 'HIT')

    await raw.settled()
    t.ok((await raw.purge('/', { 'X-Purge-All': 'true' })) > 0)
    t.equal((await raw.figures()).raw_disk_cache_entries, 0)
    await raw.server.kill(signal)
    await raw.server.start()
    t.equal((await raw.settled()).raw_disk_cache_entries, 0)
    t.same(await askAll(t, raw, files), { MISS: 12 })
  })
}

t.test('a purge answered at once before SIGKILL, of what was just fetched: never served again', async (t) => {
  const origin = await fileOrigin(t, { '/f': bytesOf(1, 5 * SLICE) })
  const raw = await startRawServer(t, origin.url)
  for (let turn = 1; turn <= 4; turn++) {
    const before = bytesOf(turn, 5 * SLICE)
    origin.files['/f'] = before
    t.ok((await raw.ask('/f')).body.equals(before), `turn ${turn}`)
    await raw.purge('/f')
    await raw.server.kill('SIGKILL')
    origin.files['/f'] = bytesOf(turn + 1, 5 * SLICE)
    await raw.server.start()
    const answer = await raw.ask('/f')
    t.equal(answer.header('x-cache'), 'MISS')
    t.ok(answer.body.equals(origin.files['/f']), 'what the origin has now')
    await raw.purge('/f')
  }
})
