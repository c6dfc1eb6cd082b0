import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { askAll, balanced, MIB, SLICE, someFiles, startRawServer } from './raw-disk.ts'

t.test('MISS, then HIT from the device, also after SIGTERM: the index comes from its snapshot', async (t) => {
  const files = someFiles(24)
  const origin = await fileOrigin(t, files)
  const raw = await startRawServer(t, origin.url)
  balanced(t, await raw.figures(), 'empty')
  t.same(await askAll(t, raw, files), { MISS: 24 })
  const before = await raw.settled()
  t.same(await askAll(t, raw, files), { HIT: 24 })
  t.ok(before.raw_disk_live_blocks * 4096 > 2 * MIB)

  t.equal(await raw.server.kill('SIGTERM'), 0)
  await raw.server.start()
  const after = await raw.settled()
  t.equal(raw.readFrom(), 'snapshot')
  balanced(t, after, 'after SIGTERM')
  t.equal(after.raw_disk_cache_entries, before.raw_disk_cache_entries, 'every entry is there again')
  t.equal(after.raw_disk_live_blocks, before.raw_disk_live_blocks)
  t.same(await askAll(t, raw, files), { HIT: 24 })
  t.equal(origin.requests.length, 24, 'each was fetched once in both lives')
  t.equal((await raw.figures()).raw_disk_corrupt_entries_total, 0)
})

t.test('after SIGKILL what was written is found again, and several times so', async (t) => {
  const files = someFiles(24)
  const origin = await fileOrigin(t, files)
  const raw = await startRawServer(t, origin.url)
  t.same(await askAll(t, raw, files), { MISS: 24 })
  for (const life of ['second', 'third', 'fourth']) {
    const before = await raw.settled()
    t.equal(await raw.server.kill('SIGKILL'), null)
    await raw.server.start()
    const after = await raw.settled()
    t.notSame(raw.readFrom(), 'snapshot', 'a snapshot is not all of it')
    balanced(t, after, `in the ${life} life`)
    t.equal(after.raw_disk_cache_entries, before.raw_disk_cache_entries, `${life} life: all entries`)
    t.same(await askAll(t, raw, files), { HIT: Object.keys(files).length }, `${life} life`)
    files[`/${life}`] = bytesOf(life.length, 3 * SLICE)
    t.equal((await raw.ask(`/${life}`)).header('x-cache'), 'MISS')
  }
  t.equal(origin.requests.length, 24 + 3)
})
