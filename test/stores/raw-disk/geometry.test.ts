import fc from 'fast-check'
import t from 'tap'
import { type Geometry, geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

const blockSizes = fc.integer({ min: 9, max: 20 }).map((power) => 2 ** power)
const sliceSizes = fc.oneof(
  fc.constantFrom(64 * KIB, MIB, 16 * MIB),
  fc.integer({ min: 64 * KIB, max: 16 * MIB }),
)
/** From a MiB to 4 TiB, and rarely a round number. */
const totalSizes = fc
  .tuple(fc.integer({ min: 20, max: 41 }), fc.double({ min: 1, max: 2, noNaN: true }))
  .map(([power, part]) => Math.floor(2 ** power * part))

/** Undefined for what is refused. */
function geometryOrNot(o: Parameters<typeof geometryOf>[0]): Geometry | undefined {
  try {
    return geometryOf(o)
  } catch (error) {
    if (error instanceof RangeError) return
    throw error
  }
}

const geometries = fc
  .record({ totalSize: totalSizes, blockSize: blockSizes, sliceSize: sliceSizes })
  .map((o) => ({ ...o, geometry: geometryOrNot(o) }))
  .filter((each) => each.geometry !== undefined)
  .map((each) => ({ ...each, geometry: each.geometry! }))

t.test('what is on the device does not overlap, is aligned and inside of it', async (t) => {
  fc.assert(
    fc.property(geometries, ({ geometry: g, totalSize }) => {
      const regions = { offset: g.dataOffset, bytes: g.regions * g.regionSize }
      const areas = [g.front, ...g.purgeLog, ...g.snapshots, regions]
      let end = 0
      for (const { offset, bytes } of areas) {
        if (offset < end || offset % g.align !== 0 || bytes <= 0) throw new Error(JSON.stringify(areas))
        end = offset + bytes
      }
      for (const area of [...g.purgeLog, ...g.snapshots]) if (area.bytes % g.align !== 0) return false
      return end <= totalSize && g.regionSize % g.align === 0
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('superblocks are found without knowing the block size', async (t) => {
  fc.assert(
    fc.property(geometries, ({ geometry: g }) => {
      const [a, b] = g.superblocks
      return a === 0 && b === 64 * KIB && g.front.bytes >= b + 4096
    }),
  )
  t.pass()
})

t.test('blocks have numbers of 32 bits', async (t) => {
  fc.assert(
    fc.property(geometries, ({ geometry: g, blockSize }) => {
      return g.blocksPerRegion * blockSize === g.regionSize && g.regions * g.blocksPerRegion < 2 ** 32
    }),
  )
  t.pass()
})

t.test('a region holds its header, a slice with the longest key, and its footer', async (t) => {
  fc.assert(
    fc.property(geometries, ({ geometry: g, sliceSize }) => {
      const entry = 256 + 16 * KIB + Math.ceil(sliceSize / 65536) * 4 + sliceSize
      return g.regionSize - 2 * g.align >= Math.ceil(entry / g.align) * g.align
    }),
  )
  t.pass()
})

t.test(
  'there are regions enough, and they are as large as the design has them where that is possible',
  async (t) => {
    fc.assert(
      fc.property(geometries, ({ geometry: g, sliceSize, totalSize }) => {
        const preferred = Math.max(16 * MIB, 2 ** Math.ceil(Math.log2(4 * sliceSize)))
        const isLarge = totalSize * 0.95 - 8 * MIB > 16 * preferred
        return g.regions >= 8 && (isLarge ? g.regionSize === preferred : g.regionSize <= preferred)
      }),
      { numRuns: 500 },
    )
    t.pass()
  },
)

t.test(
  'a snapshot area holds all the entries and the table of regions, in chunks with headers',
  async (t) => {
    const chunked = (count: number, record: number, align: number) => {
      let bytes = 0
      const perChunk = Math.floor((MIB - 64) / record)
      for (let left = count; left > 0; left -= perChunk) {
        bytes += Math.ceil((64 + Math.min(left, perChunk) * record) / align) * align
      }
      return bytes
    }
    const sizes = geometries.filter(({ geometry: g }) => g.capacity < 10e6)
    fc.assert(
      fc.property(sizes, ({ geometry: g }) => {
        const needed = chunked(g.regions, 16, g.align) + chunked(g.capacity, 32, g.align)
        return g.capacity > 0 && g.snapshots.every((area) => area.bytes >= needed)
      }),
    )
    t.pass()
  },
)

t.test(
  'what is not for entries stays under 4 % of a device of 64 MiB or more with blocks to 64 KiB',
  async (t) => {
    const sizes = geometries.filter((each) => each.totalSize >= 64 * MIB && each.blockSize <= 64 * KIB)
    fc.assert(fc.property(sizes, ({ geometry: g, totalSize }) => g.dataOffset < totalSize * 0.04))
    t.pass()
  },
)

t.test('10 GiB in blocks of 4 KiB: every block can have an entry', async (t) => {
  const g = geometryOf({ totalSize: 10 * GIB, blockSize: 4096, sliceSize: MIB })
  t.equal(g.regionSize, 16 * MIB)
  t.equal(g.capacity, g.regions * g.blocksPerRegion)
  t.ok(g.dataOffset < 10 * GIB * 0.017)
  t.equal(g.purgeLog[0].bytes, MIB)
})

t.test('too small: says the smallest size that would do, and that one does', async (t) => {
  const tooSmall = fc
    .record({ totalSize: fc.integer({ min: 0, max: 8 * MIB }), blockSize: blockSizes, sliceSize: sliceSizes })
    .filter((o) => geometryOrNot(o) === undefined)
  fc.assert(
    fc.property(tooSmall, (o) => {
      let message = ''
      try {
        geometryOf(o)
      } catch (error) {
        message = (error as Error).message
      }
      const smallest = Number(/at least (\d+) bytes/.exec(message)![1])
      geometryOf({ ...o, totalSize: smallest })
      return geometryOrNot({ ...o, totalSize: smallest - MIB }) === undefined
    }),
  )
  t.throws(() => geometryOf({ totalSize: MIB, blockSize: 4096, sliceSize: MIB }), {
    message: /^a total_size of 1048576 bytes is too small .* at least \d+ bytes \(9 MiB\)$/,
  })
})

t.test('the smallest total_size of the configuration serves the smallest slices', async (t) => {
  t.equal(geometryOf({ totalSize: MIB, blockSize: 4096, sliceSize: 64 * KIB }).regions >= 8, true)
})

t.test('too large for its blocks: says which block size would do', async (t) => {
  const o = { totalSize: 3 * 1024 * GIB, blockSize: 512, sliceSize: MIB }
  t.throws(() => geometryOf(o), { message: /needs a block_size of at least 1024 bytes/ })
  t.ok(geometryOf({ ...o, blockSize: 1024 }))
})

t.test('refuses numbers that are none', async (t) => {
  const good = { totalSize: GIB, blockSize: 4096, sliceSize: MIB }
  for (const blockSize of [0, 256, 3000, 2 * MIB, Number.NaN]) {
    t.throws(() => geometryOf({ ...good, blockSize }), RangeError)
  }
  for (const sliceSize of [0, -1, Number.NaN, 1.5])
    t.throws(() => geometryOf({ ...good, sliceSize }), RangeError)
  for (const totalSize of [Number.NaN, Number.POSITIVE_INFINITY, -5]) {
    t.throws(() => geometryOf({ ...good, totalSize }), RangeError)
  }
})
