import t from 'tap'
import { createCatalog } from '../../../lib/stores/raw-disk/catalog.ts'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import { createRegions, OPEN } from '../../../lib/stores/raw-disk/regions.ts'
import { selfTest } from '../../../lib/stores/raw-disk/self-test.ts'

const geometry = geometryOf({ totalSize: 32 * 1024 * 1024, blockSize: 4096, sliceSize: 65536 })

/** Two entries of three blocks each in region 2, and one that is being written. */
function counted() {
  const regions = createRegions(geometry)
  const writer = { reserved: (region: number) => (region === 2 ? 5 : 0) }
  const catalog = createCatalog(geometry, regions, () => writer, 0)
  const first = 2 * geometry.blocksPerRegion
  regions.restore(2, OPEN, 7, 20)
  for (const [index, block] of [first + 1, first + 4].entries()) {
    const name = { objectLow: 1, objectHigh: 2, generation: 3, index }
    catalog.restore({ ...name, block, blocks: 3, flags: 0, expires: 0 })
  }
  regions.addLive(first + 7, 5)
  return { regions, catalog, first, test: () => selfTest(regions, catalog, writer) }
}

t.test('says nothing when the counts agree', async (t) => {
  t.same(counted().test(), [])
})

t.test('says what does not agree', async (t) => {
  const forgotten = counted()
  forgotten.regions.addLive(forgotten.first, -1)
  t.match(forgotten.test(), [/^region 2: 10 live blocks are counted, 11 are there$/])

  const unwritten = counted()
  unwritten.regions.used[2] = 6
  t.match(unwritten.test().join('\n'), /region 2: 11 live blocks of 6 used ones\n.* behind the used blocks/)

  const clean = counted()
  clean.regions.state[2] = 0
  t.match(clean.test().join('\n'), /region 2: clean with 20 used blocks/)
  t.match(clean.test().join('\n'), /live \+ dead \+ clean \+ open is \d+, not \d+/)

  const overlapping = counted()
  const id = overlapping.catalog.index.find(1, 2, 3, 1)
  overlapping.catalog.index.setPlace(id, overlapping.first + 2, 3)
  t.match(overlapping.test(), [/^region 2: two entries overlap$/])

  const twice = counted()
  twice.regions.restore(3, OPEN, 8, 0)
  t.match(twice.test(), [/^2 regions are open$/])
})
