/** Fills a memory store and prints what it counted and by how much the process grew. */
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { LONGEST_PACKED } from '../../lib/stores/packing.ts'
import { headOf } from './helpers.ts'

const [size, count, asked] = process.argv.slice(2).map(Number)
const store = createMemoryStore({ maxBytes: 1e9 })

function put(index: number): void {
  const key = flat(`4:http${String(index).padStart(6)}:www.example.com:/a/path/of/usual/length/${index}.html`)
  if (size === 0) store.putHeads(key, [headOf(key, index, { fields: fields(index) })])
  else store.putSlice(key, index, 0, { length: size, segments: size <= LONGEST_PACKED ? same : segments() })
  if (asked === 1) store.getSlice(key, index, 0)
}

// Small slices are copied: memory that each came in would be given back, but not to the system, and show.
const same = size <= LONGEST_PACKED ? segments() : []

function segments(): Buffer[] {
  const whole: Buffer[] = []
  for (let rest = size; rest > 0; rest -= 65536)
    whole.push(Buffer.allocUnsafeSlow(Math.min(rest, 65536)).fill(1))
  return whole
}

function fields(index: number): string[] {
  return Array.from({ length: 24 }, (_, at) => flat(`field ${at} of object ${index}`))
}

/** Strings in one piece, as they come from the network: a template makes a tree of pieces. */
function flat(text: string): string {
  return Buffer.from(text).toString('latin1')
}

// A little work first, so that the program's own code and heap are there.
for (let index = 0; index < 2; index++) put(index)
await store.clear()
global.gc!()
const before = process.memoryUsage()
for (let index = 0; index < count; index++) put(index)
global.gc!()
const after = process.memoryUsage()
// For heads, the heap alone: the garbage of making them grows the process by more than they do.
const grown = size === 0 ? after.heapUsed - before.heapUsed : after.rss - before.rss
console.log(JSON.stringify({ bytes: store.stats().bytes, grown }))
