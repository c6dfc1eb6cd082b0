import t from 'tap'
import { attach } from '../../../lib/stores/raw-disk/attach.ts'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import { headOf } from '../helpers.ts'
import { isPartOf, noiseSlice, sliced, taken } from './content.ts'
import { createFakeDevice } from './fake-device.ts'
import { createBed, type Ending, openStore } from './helpers.ts'
import { HEADS } from './ledger.ts'

const MIB = 1024 * 1024

for (const ending of ['close', 'close, then power failure', 'kill'] as Ending[]) {
  t.test(`finds everything again: ${ending}`, async (t) => {
    const bed = await createBed({ totalSize: 8 * MIB })
    const keys = ['a', 'b', 'c', 'é/\u{1f600}']
    for (const key of keys) {
      bed.putHeads(key, 500)
      for (let index = 0; index < 4; index++) bed.put(key, 1, index, 1000 + index * 20_000)
      bed.put(key, 2, 0, 0)
    }
    bed.put('a', 1, 0, 777)
    await bed.flush()
    t.equal(bed.store.stats().evictions, 0)
    for (let life = 0; life < 3; life++) {
      const { liveBlocks, entries } = bed.store.figures()
      t.equal(entries, keys.length * 6)
      await bed.restart(ending, life)
      t.equal(await bed.getAll(), keys.length * 6)
      t.equal(bed.store.figures().entries, entries)
      t.equal(bed.store.figures().liveBlocks, liveBlocks)
      t.equal(bed.store.stats().corrupt, 0)
      bed.check()
    }
    bed.put('a', 1, 9, 10_000)
    await bed.flush()
    await bed.restart(ending, 9)
    t.equal(await bed.getAll(), keys.length * 6 + 1)
    await bed.close()
  })
}

t.test('a power failure after a checkpoint costs only what came after it', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const bed = await createBed({ totalSize: 8 * MIB, seed })
    for (let index = 0; index < 20; index++) bed.put('a', 1, index, 30_000)
    bed.putHeads('a', 10)
    await bed.flush()
    await bed.checkpoint()
    for (let index = 20; index < 30; index++) bed.put('a', 1, index, 30_000)
    if (seed % 2 === 0) await bed.flush()
    await bed.restart('crash', seed)
    t.ok(await bed.get('a', HEADS, 0))
    for (let index = 0; index < 20; index++) t.ok(await bed.get('a', 1, index), `slice ${index}`)
    await bed.getAll()
    await bed.close()
  }
})

t.test('a checkpoint that was cut costs nothing', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const bed = await createBed({ totalSize: 8 * MIB, seed })
    for (let index = 0; index < 20; index++) bed.put('a', 1, index, 30_000)
    await bed.flush()
    await bed.checkpoint()
    const cut = bed.checkpoint()
    for (let turn = seed; turn > 0; turn--) await new Promise(setImmediate)
    await bed.restart(seed % 2 === 0 ? 'kill' : 'crash', seed)
    await cut
    t.equal(await bed.getAll(), 20)
    await bed.close()
  }
})

t.test('misses and refuses while the index is read, and never fails', async (t) => {
  const bed = await createBed({ totalSize: 8 * MIB })
  for (let index = 0; index < 20; index++) bed.put('a', 1, index, 30_000)
  bed.putHeads('a', 10)
  await bed.flush()
  await bed.restart('kill', 1, { wait: false })
  t.equal(bed.store.figures().recovering, true)
  await bed.get('a', HEADS, 0)
  await bed.get('a', 1, 0)
  bed.put('a', 1, 1, 5000)
  bed.putHeads('a', 20)
  await bed.store.recovered
  t.equal(bed.store.figures().recovering, false)
  await bed.getAll()
  t.ok(await bed.get('a', 1, 5))
  await bed.close()
})

t.test('closes while the index is read', async (t) => {
  const bed = await createBed({ totalSize: 8 * MIB })
  for (let index = 0; index < 20; index++) bed.put('a', 1, index, 30_000)
  await bed.flush()
  for (let turn = 0; turn < 10; turn++) {
    await bed.restart('kill', turn, { wait: false })
    for (let wait = turn; wait > 0; wait--) await new Promise(setImmediate)
    await bed.restart('close', turn)
    t.equal(await bed.getAll(), 20)
  }
  await bed.close()
})

t.test('is killed again and again while the index is read', async (t) => {
  const bed = await createBed({ totalSize: 8 * MIB })
  for (let index = 0; index < 20; index++) bed.put('a', 1, index, 30_000)
  await bed.flush()
  for (let turn = 0; turn < 20; turn++) {
    await bed.restart('kill', turn, { wait: false })
    for (let wait = turn; wait > 0; wait--) await new Promise(setImmediate)
  }
  await bed.restart('kill', 1)
  t.equal(await bed.getAll(), 20)
  await bed.close()
})

t.test('another geometry starts empty, and what was there before is never found', async (t) => {
  const totalSize = 8 * MIB
  const geometries = [
    { blockSize: 4096, sliceSize: 65536 },
    { blockSize: 8192, sliceSize: 65536 },
    { blockSize: 4096, sliceSize: 131_072 },
    { blockSize: 4096, sliceSize: 65536 },
  ]
  let device = createFakeDevice({ size: totalSize })
  const uuids = new Set<string>()
  for (const each of geometries) {
    const geometry = geometryOf({ totalSize, ...each })
    const told: string[] = []
    const tell = (_: object, message: string) => void told.push(message)
    const { uuid } = await attach(device, geometry, { format: false, log: { info: tell, warn: tell } })
    t.equal(told.length, uuids.size === 0 ? told.length : 1, 'one line of what changed')
    uuids.add(uuid.toString('hex'))
    const store = await openStore(device, geometry)
    await store.recovered
    t.equal(store.figures().entries, 0)
    t.equal(await store.getSlice('a', 1, 0), undefined)
    for (let index = 0; index < 50; index++) store.putSlice('a', 1, index, noiseSlice(index, 20_000))
    await store.flush()
    t.equal(store.figures().entries, 50)
    if (uuids.size % 2 === 0) await store.close()
    device = device.kill(1)
  }
  t.equal(uuids.size, geometries.length)
})

t.test('heads that are of no use to anybody any more go, and their slices with them', async (t) => {
  const bed = await createBed({ totalSize: 8 * MIB })
  const over = { etag: null, lastModified: null, mustRevalidate: true, freshUntil: 1000 }
  const lasting = { ...over, freshUntil: Date.now() + 1e9 }
  const restarts: Ending[] = ['close', 'kill']
  for (const ending of restarts) {
    bed.store.putHeads('over', [headOf('over', 1, over)])
    bed.store.putHeads('lasting', [headOf('lasting', 1, over), headOf('lasting', 2, lasting)])
    for (const key of ['over', 'lasting']) bed.store.putSlice(key, 1, 0, noiseSlice(1, 5000))
    await bed.store.flush()
    await bed.restart(ending, 1)
    const { liveBlocks } = bed.store.figures()
    t.equal((await bed.store.getHeads('lasting'))?.length, 2)
    t.equal(await bed.store.getHeads('over'), undefined)
    t.equal(await bed.store.getSlice('over', 1, 0), undefined)
    t.equal(bed.store.figures().expiredEntries, 2)
    t.equal(bed.store.figures().entries, 2)
    t.ok(bed.store.figures().liveBlocks < liveBlocks)
    bed.check()
  }
  await bed.close()
})

t.test('packed slices are found again, and carried on when their region is reclaimed', async (t) => {
  const bed = await createBed({ totalSize: 4 * MIB, store: { compression: true } })
  const plain = Buffer.from('some text, again and again\n'.repeat(2000))
  bed.store.putSlice('text', 1, 0, sliced(plain), { contentType: 'text/plain' })
  await bed.store.flush()
  t.equal(bed.store.figures().compressedSlices, 1)
  const compare = async (when: string) => {
    const whole = taken(await bed.store.getSlice('text', 1, 0))
    t.ok(whole?.equals(plain), when)
    const part = await bed.store.getSlice('text', 1, 0, { from: 30_000, to: 30_010 })
    t.ok(part && isPartOf(plain, part, { from: 30_000, to: 30_010 }), when)
  }
  const restarts: Ending[] = ['kill', 'close', 'kill']
  for (const ending of restarts) {
    await bed.restart(ending, 1)
    await compare(ending)
    for (let index = 0; index < 300; index++) {
      bed.put('others', 1, index, 60_000)
      if (index % 8 > 0) continue
      await bed.flush()
      await bed.store.reclaimed()
      await compare(`${index} puts later`)
    }
    t.ok(bed.store.figures().reclaimRuns > bed.geometry.regions)
    t.ok(bed.store.figures().carriedEntries > 0)
  }
  await bed.close()
})
