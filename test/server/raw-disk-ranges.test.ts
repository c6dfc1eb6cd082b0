import fc from 'fast-check'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { faultOf, rangeHeader, type Spec } from '../proxy/ranges/expected.ts'
import { MIB, SLICE, startRawServer, textOf, typedOrigin } from './raw-disk.ts'

/** So large that a part of a slice is worth a read of its own. */
const LARGE = 4 * SLICE

const LENGTH = 5 * LARGE + 4321

/** Offsets around the borders of slices, of the pieces that have checksums, and anywhere. */
const offset = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 25 }), fc.integer({ min: -2, max: 2 }))
    .map(([piece, shift]) => Math.max(0, piece * SLICE + shift)),
  fc.integer({ min: 0, max: LENGTH - 1 }),
)
const spec: fc.Arbitrary<Spec> = fc.oneof(
  fc.tuple(offset, offset).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
  fc.tuple(offset, fc.integer({ min: 0, max: 200 })).map(([first, more]) => ({ first, last: first + more })),
  offset.map((first) => ({ first, last: null })),
  offset.map((suffix) => ({ suffix: suffix + 1 })),
)

for (const zeroCopy of [true, false]) {
  t.test(
    `ranges of compressed and of plain slices are the origin's bytes, zero copy ${zeroCopy}`,
    async (t) => {
      const files = { '/text.json': textOf(1, LENGTH), '/bytes': bytesOf(2, LENGTH) }
      const origin = await typedOrigin(t, files)
      const raw = await startRawServer(
        t,
        origin.url,
        { total_size: 64 * MIB, enable_zero_copy: zeroCopy },
        { slice_size: LARGE },
      )
      for (const path of Object.keys(files)) await raw.ask(path)
      const stored = await raw.settled()
      t.ok(stored.raw_disk_compressed_slices_total >= 5, 'the text was compressed')
      t.ok(stored.raw_disk_compression_in_bytes_total >= 5 * LARGE)
      t.ok(stored.raw_disk_compression_out_bytes_total < 0.5 * stored.raw_disk_compression_in_bytes_total)
      t.ok(stored.raw_disk_live_blocks * 4096 < 1.6 * LENGTH, 'the text takes much less than its length')

      const path = fc.constantFrom(...(Object.keys(files) as (keyof typeof files)[]))
      await fc.assert(
        fc.asyncProperty(path, fc.array(spec, { minLength: 1, maxLength: 3 }), async (path, ranges) => {
          const answer = await raw.ask(path, { range: rangeHeader(ranges) })
          if (answer.header('x-cache') !== 'HIT') throw new Error(`${answer.header('x-cache')}, not a HIT`)
          const fault = faultOf(answer, files[path], ranges)
          if (fault !== undefined) throw new Error(fault)
        }),
        { numRuns: 150 },
      )
      for (const [path, file] of Object.entries(files)) t.ok((await raw.ask(path)).body.equals(file), path)
      t.equal(origin.requests.length, 2)

      // A hundred bytes out of the middle of a large slice: what is read is a part of it.
      const before = await raw.figures()
      const first = 2 * LARGE + 100_000
      const answer = await raw.ask('/bytes', { range: `bytes=${first}-${first + 99}` })
      t.ok(answer.body.equals(files['/bytes'].subarray(first, first + 100)))
      const after = await raw.figures()
      const grown = (name: string) => after[name] - before[name]
      t.equal(grown('raw_disk_part_reads_total'), 1)
      t.ok(grown('raw_disk_read_bytes_total') < LARGE, `${grown('raw_disk_read_bytes_total')} bytes read`)
      t.equal(after.raw_disk_corrupt_entries_total, 0)
      t.equal(after.raw_disk_lent_bytes, 0, 'what was lent has come back')
      await raw.server.kill('SIGTERM')
    },
  )
}
