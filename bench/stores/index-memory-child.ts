// Fills an index and tells its parent what that cost: in a process of its own, so that its memory is the index's.
import { createIndex, HEADS_NAME, type RawIndex } from '../../lib/stores/raw-disk/index.ts'
import type { IndexCosts, IndexShape } from './index-memory.ts'

const { entries, perObject, isExpected }: IndexShape = JSON.parse(process.argv[2])
const WORDS = 4
const blocksPerRegion = 4096
const regions = Math.ceil(entries / blocksPerRegion)

/** What other processes do meanwhile is no cost of the index. Good for sums: it steps by some milliseconds. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Names of all entries, four words each: heads and slices of an object one after another, as they come. */
function nameAll(): Uint32Array {
  const names = new Uint32Array(entries * WORDS)
  let [low, high] = [0, 0]
  for (let i = 0; i < entries; i++) {
    const slice = i % perObject
    if (slice === 0) [low, high] = [Math.random() * 2 ** 32, Math.random() * 2 ** 32]
    const isHeads = slice === 0 && perObject > 1
    names.set([low, high, isHeads ? HEADS_NAME : 1, isHeads ? HEADS_NAME : slice], i * WORDS)
  }
  return names
}

function shuffled(names: Uint32Array): Uint32Array {
  const result = names.slice()
  for (let i = entries - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const name = result.slice(i * WORDS, (i + 1) * WORDS)
    result.copyWithin(i * WORDS, j * WORDS, (j + 1) * WORDS)
    result.set(name, j * WORDS)
  }
  return result
}

/** Nanoseconds of CPU time a name, the least of some rounds: the others share the caches with somebody. */
function nanoseconds(
  rounds: number,
  names: Uint32Array,
  each: (names: Uint32Array, at: number) => void,
): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const started = cpuMs()
    for (let at = 0; at < names.length; at += WORDS) each(names, at)
    least = Math.min(least, cpuMs() - started)
  }
  return (least / entries) * 1e6
}

interface Filled {
  index: RawIndex
  /** Nanoseconds of CPU time for each entry, and the longest time, by the clock, in which 64 were added. */
  add: number
  pauseMs: number
}

function fill(names: Uint32Array): Filled {
  const index = createIndex({
    capacity: entries,
    regions,
    blocksPerRegion,
    expected: isExpected ? entries : 0,
  })
  let pauseMs = 0
  let started = performance.now()
  const add = nanoseconds(1, names, (each, at) => {
    index.add(each[at], each[at + 1], each[at + 2], each[at + 3], at / WORDS, 1, 0, 0)
    if (at % (64 * WORDS) !== 0) return
    const now = performance.now()
    pauseMs = Math.max(pauseMs, now - started)
    started = now
  })
  return { index, add, pauseMs }
}

const names = nameAll()
const order = shuffled(names)
globalThis.gc?.()
const before = process.memoryUsage().rss
const { index, ...first } = fill(names)
globalThis.gc?.()
const grown = process.memoryUsage().rss - before
const bytes = index.bytes()

let found = 0
const find = nanoseconds(3, order, (each, at) => {
  if (index.find(each[at], each[at + 1], each[at + 2], each[at + 3]) !== -1) found++
})
const miss = nanoseconds(3, order, (each, at) => {
  if (index.find(each[at], each[at + 1], each[at + 2], each[at + 3] ^ 0x40000000) !== -1) found++
})
const started = cpuMs()
for (let region = 0; region < regions; region++) for (const id of index.ofRegion(region)) index.remove(id)
const remove = ((cpuMs() - started) / entries) * 1e6
if (found !== 3 * entries || index.count !== 0) throw new Error('the index does not hold what was added')

const fills = [first, fill(names), fill(names)]
const costs: IndexCosts = {
  bytes: bytes / entries,
  grown: grown / entries,
  add: Math.min(...fills.map((each) => each.add)),
  pauseMs: Math.min(...fills.map((each) => each.pauseMs)),
  find,
  miss,
  remove,
}
process.send?.(costs)
