import t from 'tap'
import { entryLength } from '../../../lib/stores/raw-disk/format/entry.ts'
import { footerLength } from '../../../lib/stores/raw-disk/format/footer.ts'
import { REGION_HEADER_BYTES } from '../../../lib/stores/raw-disk/format/region.ts'
import { createRandom, type Random } from '../../helpers/random.ts'
import { PAGE } from './fake-pages.ts'
import { type Bed, createBed, type Ending } from './helpers.ts'

t.setTimeout(600_000)

const MIB = 1024 * 1024
const totalSize = 2 * MIB
/** How many damaged devices each kind of damage is tried on. */
const ROUNDS = Number(process.env.SOAK_RUNS ?? 10)

/** A device with something of everything: sealed regions, an open one, a snapshot, purges, a tail after the snapshot. */
async function filled(ending: Ending, seed: number): Promise<Bed> {
  const bed = await createBed({ totalSize, seed })
  const random = createRandom(seed)
  for (let object = 0; object < 30; object++) {
    const key = `key ${object % 20}`
    bed.putHeads(key, 300)
    for (let index = 0; index < 3; index++) bed.put(key, 1, index, random.pick([10, 3000, 20_000, 60_000]))
    if (object % 7 === 0) await bed.drop(`key ${random.below(20)}`)
    if (object === 22) await bed.checkpoint()
    if (object % 5 === 0) await bed.flush()
  }
  await bed.flush()
  await bed.drop('key 3')
  await bed.restart(ending, seed)
  if (ending === 'kill') await bed.flush()
  return bed
}

/** Flips bits of a device on which no store is. */
type Damage = (bed: Bed, random: Random, flip: (from: number, to: number) => void) => void

const damages: Record<string, Damage> = {
  'one bit anywhere': (_, __, flip) => flip(0, totalSize),
  'a hundred bits anywhere': (_, __, flip) => {
    for (let count = 0; count < 100; count++) flip(0, totalSize)
  },
  'a superblock': ({ geometry }, random, flip) => {
    const at = random.pick(geometry.superblocks)
    for (let count = random.below(4); count >= 0; count--) flip(at, at + 256)
  },
  'both superblocks': ({ geometry }, _, flip) => {
    for (const at of geometry.superblocks) flip(at + 16, at + 100)
  },
  'the headers of regions': ({ geometry }, _, flip) => {
    for (let region = 0; region < geometry.regions; region += 2) {
      const at = geometry.dataOffset + region * geometry.regionSize
      flip(at, at + REGION_HEADER_BYTES)
    }
  },
  'the headers, keys and tables of entries': ({ geometry }, random, flip) => {
    const blocks = (geometry.regions * geometry.regionSize) / 4096
    for (let count = 0; count < 60; count++) {
      const at = geometry.dataOffset + random.below(blocks) * 4096
      flip(at, at + 128)
    }
  },
  payloads: ({ geometry }, _, flip) => {
    for (let count = 0; count < 60; count++) flip(geometry.dataOffset, totalSize)
  },
  footers: ({ geometry }, _, flip) => {
    for (let region = 1; region <= geometry.regions; region++) {
      const end = geometry.dataOffset + region * geometry.regionSize
      flip(end - 512, end)
    }
  },
  'the snapshots': ({ geometry }, _, flip) => {
    for (const { offset } of geometry.snapshots)
      for (let count = 0; count < 4; count++) flip(offset, offset + 4096)
  },
  // Not in the place of a superblock: that would be somebody else's device.
  'pages in the wrong place': ({ device, geometry }, random) => {
    const image = device.image()
    const first = geometry.purgeLog[0].offset / PAGE
    const any = () => first + random.below(totalSize / PAGE - first)
    for (let count = 0; count < 10; count++) device.overwrite(any(), image, any())
  },
  'a region in the place of another one': ({ device, geometry }, random) => {
    const image = device.image()
    const first = (region: number) => (geometry.dataOffset + region * geometry.regionSize) / PAGE
    const [from, to] = random.shuffled([...Array(geometry.regions).keys()])
    for (let page = 0; page < geometry.regionSize / PAGE; page++) {
      device.overwrite(first(to) + page, image, first(from) + page)
    }
  },
  'the log of purges': ({ geometry }, _, flip) => {
    for (const { offset } of geometry.purgeLog) flip(offset, offset + 512)
  },
}

for (const ending of ['kill', 'close'] as Ending[]) {
  for (const [name, damage] of Object.entries(damages)) {
    t.test(`${name} damaged after ${ending}: right bytes, or a miss`, async (t) => {
      let found = 0
      let asked = 0
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const bed = await filled(ending, seed)
        const random = createRandom(seed * 7919)
        const flip = (from: number, to: number) =>
          bed.device.flip(from + random.below(to - from), random.below(8))
        await bed.restart(ending, seed, { before: () => damage(bed, random, flip) })
        found += await bed.getAll()
        asked += bed.ledger.names().length
        bed.check()
        bed.put('new', 1, 0, 20_000)
        await bed.flush()
        t.ok(await bed.get('new', 1, 0), 'goes on working')
        await bed.restart(ending === 'kill' ? 'close' : 'kill', seed)
        await bed.getAll()
        // What is written behind damaged entries of an open region cannot be found without a snapshot.
        if (ending === 'kill') t.ok(await bed.get('new', 1, 0), 'and keeps what it did')
        await bed.close()
      }
      t.comment(`${found} of ${asked} were found`)
      if (name !== 'both superblocks') t.ok(found > asked / 10)
    })
  }
}

t.test('bits that turn while the store runs cost entries, and are counted', async (t) => {
  const bed = await filled('close', 1)
  const random = createRandom(1)
  const { entries } = bed.store.figures()
  bed.ledger.restart('damaged')
  for (let count = 0; count < 300; count++) bed.device.flip(random.below(totalSize), random.below(8))
  const found = await bed.getAll()
  const { corrupt } = bed.store.figures()
  t.ok(corrupt > 0)
  t.equal(bed.store.stats().corrupt, corrupt)
  t.equal(bed.store.figures().entries, entries - corrupt, 'what is damaged is removed')
  t.equal(found, entries - corrupt)
  bed.check()
  t.equal(await bed.getAll(), found)
  t.equal(bed.store.figures().corrupt, corrupt, 'and counted once')
  await bed.close()
})

t.test('a device that loses writes which it said were durable: right bytes, or a miss', async (t) => {
  let found = 0
  for (let seed = 1; seed <= ROUNDS * 2; seed++) {
    const bed = await filled(seed % 2 === 0 ? 'kill' : 'close', seed)
    const random = createRandom(seed)
    const old = bed.device.image()
    for (let index = 0; index < 20; index++) bed.put('later', 1, index, random.below(60_000))
    for (let key = 0; key < 20; key += 3) await bed.drop(`key ${key}`)
    await bed.flush()
    if (seed % 3 === 0) await bed.checkpoint()
    const lost = random.pick([0.02, 0.2, 0.9])
    const before = () => {
      for (let page = 0; page < totalSize / PAGE; page++)
        if (random.chance(lost)) bed.device.overwrite(page, old)
      bed.ledger.restart('failed')
    }
    await bed.restart(random.pick<Ending>(['kill', 'close', 'crash']), seed, { before })
    found += await bed.getAll()
    bed.check()
    await bed.close()
  }
  t.ok(found > 0)
})

t.test('where a write never arrived, what was there before is not taken for it', async (t) => {
  const bed = await createBed({ totalSize })
  const { regions, regionSize, blocksPerRegion, dataOffset } = bed.geometry
  // Names in a circle as long as the device, so that in each round a name comes to the same place.
  const blocks = Math.ceil(entryLength(6, 20_000) / 4096)
  let perRegion = 1
  while (1 + (perRegion + 1) * blocks + Math.ceil(footerLength(perRegion + 1) / 4096) <= blocksPerRegion)
    perRegion++
  const round = async () => {
    for (let at = 0; at < perRegion * regions; at++) {
      bed.put(`key ${String(at).padStart(2, '0')}`, 1, 0, 20_000)
      await bed.flush()
      await bed.store.reclaimed()
    }
  }
  await round()
  const before = bed.device.image()
  await round()
  for (let region = 0; region < regions; region++) {
    const first = (dataOffset + region * regionSize) / PAGE
    for (let page = 1; page < regionSize / PAGE; page++) bed.device.overwrite(first + page, before)
  }
  const { entries } = bed.store.figures()
  const found = await bed.getAll()
  t.ok(found <= perRegion, 'some of the open region at most')
  t.equal(bed.store.figures().corrupt, entries - found)
  await bed.close()
})

t.test('two entries that took each other’s place are not taken for each other', async (t) => {
  const bed = await createBed({ totalSize })
  const blocks = Math.ceil(entryLength(1, 20_000) / 4096)
  for (const key of ['a', 'b']) bed.put(key, 1, 0, 20_000)
  await bed.flush()
  const image = bed.device.image()
  const first = bed.geometry.dataOffset / PAGE + 1
  for (let page = 0; page < blocks; page++) {
    bed.device.overwrite(first + page, image, first + blocks + page)
    bed.device.overwrite(first + blocks + page, image, first + page)
  }
  t.equal(await bed.getAll(), 0)
  t.equal(bed.store.figures().corrupt, 2)
  await bed.close()
})
