import t from 'tap'
import { createRandom } from '../../helpers/random.ts'
import { type Bed, createBed } from './helpers.ts'
import { HEADS } from './ledger.ts'

t.setTimeout(600_000)

const MIB = 1024 * 1024
/** How many times its size is written: an hour's worth for a cache that could be filled in ten minutes. */
const OVERWRITTEN = Number(process.env.SOAK_RUNS ?? 6)

/** What all tests of a full cache look at, with nothing under way. */
async function rest(bed: Bed): Promise<{ used: number; fragmentation: number }> {
  await bed.flush()
  await bed.store.reclaimed()
  bed.check()
  const { liveBlocks, deadBlocks, cleanBlocks, openBlocks, totalBlocks } = bed.store.figures()
  t.equal(liveBlocks + deadBlocks + cleanBlocks + openBlocks, totalBlocks, 'every block is counted once')
  const used = liveBlocks + deadBlocks
  return { used: used / totalBlocks, fragmentation: deadBlocks / used }
}

const mixes = {
  'slices of one size': { sizes: () => 60_000, drops: 0 },
  'small and large': { sizes: (n: number) => [300, 5000, 30_000, 65_536][n % 4], drops: 0 },
  'with purges': { sizes: (n: number) => [2000, 20_000, 65_000][n % 3], drops: 0.05 },
  'with many purges': { sizes: (n: number) => [2000, 20_000, 65_000][n % 3], drops: 0.3 },
}

for (const [name, { sizes, drops }] of Object.entries(mixes)) {
  for (const totalSize of name === 'small and large' ? [24 * MIB, 96 * MIB] : [24 * MIB]) {
    t.test(`a full cache keeps serving: ${name}, ${totalSize / MIB} MiB`, async (t) => {
      const bed = await createBed({ totalSize, seed: totalSize + name.length })
      const random = createRandom(totalSize)
      const seen = { refused: 0, puts: 0, written: 0, used: [1, 0], fragmentation: 0, sampled: 0, hits: 0 }
      for (let object = 0; seen.written < totalSize * OVERWRITTEN; object++) {
        const key = `object ${object}`
        bed.putHeads(key, 200)
        for (let index = 0; index < 4; index++) {
          const size = sizes(random.below(100))
          seen.puts++
          seen.written += size
          if (!bed.put(key, 1, index, size)) seen.refused++
        }
        await bed.get('popular', 1, 0)
        if (object % 4 === 0) await bed.flush()
        if (object % 8 === 0) await bed.store.reclaimed()
        if (object % 8 === 0 && (await bed.get(`object ${object - random.below(300)}`, 1, random.below(4))))
          seen.hits++
        if (random.chance(drops)) await bed.drop(`object ${object - random.below(100)}`)
        if (object === 0) bed.put('popular', 1, 0, 30_000)
        if (object % 32 !== 0) continue
        const { used, fragmentation } = await rest(bed)
        if (seen.written < totalSize * 1.2) continue
        seen.sampled++
        seen.used = [Math.min(seen.used[0], used), Math.max(seen.used[1], used)]
        seen.fragmentation = Math.max(seen.fragmentation, fragmentation)
      }
      const figures = bed.store.figures()
      t.comment({
        ...seen,
        regions: figures.regions,
        reclaims: figures.reclaimRuns,
        carried: figures.carriedEntries,
      })
      t.ok(seen.sampled > 10)
      t.ok(seen.used[0] >= 0.8, `at least ${seen.used[0]} are used`)
      t.ok(seen.used[1] <= 0.9, `at most ${seen.used[1]} are used`)
      t.ok(seen.fragmentation < 0.4, `at most ${seen.fragmentation} of it is dead`)
      t.ok(seen.refused / seen.puts < 0.01, `${seen.refused} of ${seen.puts} puts were refused`)
      t.ok(await bed.get('popular', 1, 0), 'what is asked for again and again stays')
      t.ok(seen.hits > 0)
      await bed.getAll()
      await bed.restart('kill', 1)
      await bed.getAll()
      t.ok(await bed.get('popular', 1, 0))
      const after = await rest(bed)
      t.ok(after.used <= 0.9)
      await bed.close()
    })
  }
}

t.test('heads stay as long as slices of theirs do', async (t) => {
  const bed = await createBed({ totalSize: 16 * MIB })
  bed.putHeads('popular', 100)
  bed.put('popular', 1, 0, 20_000)
  for (let object = 0; object < 1500; object++) {
    bed.put(`object ${object}`, 1, 0, 50_000)
    await bed.get('popular', 1, 0) // its heads are in memory and never asked for
    if (object % 16 === 0) await rest(bed)
  }
  t.ok(bed.store.figures().reclaimRuns > 16)
  t.ok(await bed.get('popular', 1, 0))
  t.ok(await bed.get('popular', HEADS, 0))
  await bed.close()
})

t.test('where everything is asked for again and again, new entries still come in', async (t) => {
  const bed = await createBed({ totalSize: 8 * MIB })
  for (let object = 0; object < 400; object++) {
    for (let index = 0; index < 4; index++) bed.put(`object ${object}`, 1, index, 30_000)
    await bed.getAll()
    const { used } = await rest(bed)
    t.ok(used <= 0.9)
    t.ok(await bed.get(`object ${object}`, 1, 0), 'the latest is there')
    if (object > 100) object += 9
  }
  await bed.close()
})

t.test('an index that is full makes room, too', async (t) => {
  const bed = await createBed({ totalSize: 4 * MIB, blockSize: 512, sliceSize: 16_384 })
  let refused = 0
  const count = bed.geometry.capacity * 3
  for (let object = 0; object < count; object++) {
    if (!bed.put(`object ${object}`, 1, 0, 10)) refused++
    if (object % 50 === 0) await rest(bed)
  }
  await rest(bed)
  t.comment({ capacity: bed.geometry.capacity, refused })
  t.ok(refused < count / 50, `${refused} of ${count} were refused`)
  t.ok(await bed.get(`object ${count - 1}`, 1, 0))
  await bed.close()
})
