import t from 'tap'
import type { Geometry } from '../../../lib/stores/raw-disk/geometry.ts'
import { mapRegions } from '../../../lib/stores/raw-disk/region-map.ts'
import { createRegions } from '../../../lib/stores/raw-disk/regions.ts'

/** Regions of ten blocks. */
const regionsOf = (count: number) => createRegions({ regions: count, blocksPerRegion: 10 } as Geometry)

t.test('each region has its cell while there are few', async (t) => {
  const regions = regionsOf(4)
  regions.open(1)
  regions.addLive(0, 10)
  regions.seal(0)
  regions.open(2)
  regions.addLive(10, 5)
  const map = mapRegions(regions, 100)
  t.match(map, { regions: 4, regionsPerCell: 1 })
  t.same([...map.states], [2, 1, 0, 0])
  t.same([...map.live], [255, 128, 0, 0])
})

t.test(
  'of many regions several share a cell: the open one shows, the live share is theirs together',
  async (t) => {
    const regions = regionsOf(10)
    for (let i = 0; i < 6; i++) {
      regions.open(i)
      regions.addLive(i * 10, i)
      if (i < 5) regions.seal(i)
    }
    const map = mapRegions(regions, 3)
    t.match(map, { regions: 10, regionsPerCell: 4 })
    t.same([...map.states], [2, 1, 0])
    t.same([...map.live], [38, 57, 0], '6 of 40 blocks, 9 of 40, none of 20')
  },
)
