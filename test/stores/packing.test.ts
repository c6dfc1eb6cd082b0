import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { createPacking, LONGEST_PACKED, packedBytes } from '../../lib/stores/packing.ts'
import { until } from '../helpers/until.ts'

interface Owner {
  length: number
  place: number
  bytes: Buffer
}

function owner(length: number, seed: number): Owner {
  const bytes = Buffer.from(Array.from({ length }, (_, i) => seed + i * 7))
  return { length, place: -1, bytes }
}

const length = fc.oneof(
  fc.nat(LONGEST_PACKED),
  fc.constantFrom(0, 1, 64, 65, 1024, 1025, 1152, LONGEST_PACKED),
)

t.test('every slice gets back the bytes that it gave, whoever left meanwhile', async () => {
  const step = fc.record({ length, seed: fc.nat(255), leave: fc.nat(3), whose: fc.nat() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const packing = createPacking<Owner>()
      const owners: Owner[] = []
      for (const { length, seed, leave, whose } of steps) {
        const entry = owner(length, seed)
        const cut = whose % (length + 1)
        packing.add(entry, [entry.bytes.subarray(0, cut), entry.bytes.subarray(cut)])
        owners.push(entry)
        for (let i = 0; i < leave && owners.length > 0; i++) {
          const [gone] = owners.splice((whose + i) % owners.length, 1)
          if (i % 2 === 0) packing.remove(gone)
          else if (!packing.take(gone).equals(gone.bytes)) return false
        }
      }
      return owners.every((entry) => packing.take(entry).equals(entry.bytes))
    }),
  )
})

t.test('what is taken out is memory of its own', async (t) => {
  const packing = createPacking<Owner>()
  const entries = [owner(100, 1), owner(100, 2)]
  for (const entry of entries) packing.add(entry, [entry.bytes])
  const taken = packing.take(entries[0])
  t.equal(taken.buffer.byteLength, 100)
  packing.add(owner(100, 3), [Buffer.alloc(100)])
  t.same(taken, entries[0].bytes)
  t.same(packing.take(entries[1]), entries[1].bytes)
})

t.test('little is lost between slices', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: LONGEST_PACKED }), (length) => {
      const bytes = packedBytes(length)
      return bytes >= length && bytes - length < (length <= 1024 ? 64 : 128)
    }),
  )
})

t.test('memory is given back as slices leave, and all of it by clear', async (t) => {
  const packing = createPacking<Owner>()
  const before = memory()
  const entries = Array.from({ length: 16_000 }, () => ({
    length: LONGEST_PACKED,
    place: -1,
    bytes: NOTHING,
  }))
  for (const entry of entries) packing.add(entry, [NOTHING])
  t.ok(memory() - before > 50e6, 'all have come')
  for (const entry of entries.slice(0, 15_900)) packing.remove(entry)
  await until(() => memory() - before < 10e6)
  for (const entry of entries.slice(0, 15_900)) packing.add(entry, [NOTHING])
  t.ok(memory() - before > 50e6, 'all have come again')
  packing.clear()
  await until(() => memory() - before < 10e6)
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const NOTHING = Buffer.alloc(0)

/** Of all Buffers that can be reached. */
function memory(): number {
  collect()
  return process.memoryUsage().arrayBuffers
}
