import type { Head } from '../../lib/semantics/types.ts'
import { createEntryIndex, HEADS } from '../../lib/stores/entry-index.ts'
import { headsFootprint, sliceFootprint } from '../../lib/stores/footprint.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import type { Slice } from '../../lib/stores/store.ts'
import type { Trace } from './trace.ts'

/** Shares (0 to 1) of the requests, and of their bytes, that were answered from memory. */
export interface HitRatios {
  /** Least recently used first, with the same bytes and the same entries. */
  lru: number
  lruBytes: number
  /** The memory tier as it is. */
  ours: number
  oursBytes: number
}

/** As much of a memory tier as a replay uses. */
export interface Tier {
  getHeads(key: string): unknown
  getSlice(key: string, generation: number, index: number): unknown
  putHeads(key: string, heads: readonly Head[]): unknown
  putSlice(key: string, generation: number, index: number, slice: Slice): unknown
}

const SLICE = 1024 * 1024
const SEGMENT = 64 * 1024

/**
 * Replays a trace on memory tiers of this size, without bodies: what does not hit is stored, as a fill would store it.
 *
 * @param warmUp share of the trace that is replayed first and not counted: an empty cache says nothing of what is evicted
 */
export function hitRatios(trace: Pick<Trace, 'ids' | 'sizes'>, bytes: number, warmUp = 0): HitRatios {
  const lru = replay(createLru(bytes), trace, warmUp)
  const ours = replay(createMemoryStore({ maxBytes: bytes }), trace, warmUp)
  return { lru: lru.requests, lruBytes: lru.bytes, ours: ours.requests, oursBytes: ours.bytes }
}

export function replay(tier: Tier, { ids, sizes }: Pick<Trace, 'ids' | 'sizes'>, warmUp = 0) {
  const from = Math.floor(ids.length * warmUp)
  const all = { requests: 0, bytes: 0 }
  const hits = { requests: 0, bytes: 0 }
  for (let at = 0; at < ids.length; at++) {
    const size = sizes[ids[at]]
    const isHit = ask(tier, ids[at], size)
    if (at < from) continue
    all.requests++
    all.bytes += size
    if (!isHit) continue
    hits.requests++
    hits.bytes += size
  }
  return { requests: hits.requests / all.requests, bytes: hits.bytes / all.bytes }
}

/** One request: a hit has the heads and all slices. */
function ask(tier: Tier, id: number, size: number): boolean {
  const key = `4:http15:www.example.org${id}:/objects/of/the/trace/${id}`
  let isHit = true
  if (tier.getHeads(key) === undefined) {
    isHit = false
    tier.putHeads(key, [headOf(key, size)])
  }
  for (let index = 0; index * SLICE < size; index++) {
    if (tier.getSlice(key, 1, index) !== undefined) continue
    isHit = false
    tier.putSlice(key, 1, index, sliceOf(Math.min(SLICE, size - index * SLICE)))
  }
  return isHit
}

/** What the memory tier counted and evicted by before it had a policy of its own. */
export function createLru(maxBytes: number): Tier {
  const index = createEntryIndex<unknown>()

  function get(key: string, generation: number, at: number): unknown {
    const entry = index.find(key, generation, at)
    if (entry !== undefined) index.touch(entry)
    return entry?.value
  }

  function put(key: string, generation: number, at: number, value: unknown, bytes: number): void {
    if (bytes > maxBytes) return
    while (index.bytes() + bytes > maxBytes) index.remove(index.oldest()!)
    index.add(key, generation, at, bytes, value)
  }

  return {
    getHeads: (key) => get(key, HEADS, 0),
    getSlice: get,
    putHeads: (key, heads) => put(key, HEADS, 0, heads, headsFootprint(key, heads)),
    putSlice: (key, generation, at, slice) => put(key, generation, at, slice, sliceFootprint(key, slice)),
  }
}

/** A slice that counts like one of so many bytes, and has none. */
function sliceOf(length: number): Slice {
  const segments: { length: number; buffer: { byteLength: number } }[] = []
  for (let rest = length; rest > 0; rest -= SEGMENT) {
    const part = Math.min(rest, SEGMENT)
    segments.push({ length: part, buffer: { byteLength: part } })
  }
  return { length, segments: segments as unknown as Buffer[] }
}

const FIELDS = [
  ...['Date', 'Mon, 02 Nov 2026 12:00:00 GMT', 'Content-Type', 'application/octet-stream'],
  ...['Cache-Control', 'max-age=86400', 'ETag', '"5f3c-1b2a"'],
]

function headOf(key: string, length: number): Head {
  const lists = { vary: [], varyValues: [], groups: [] }
  return { key, generation: 1, length, fields: FIELDS, acceptEncoding: null, ...lists } as unknown as Head
}
