import type { Head } from '../../semantics/types.ts'
import type { Slice } from '../store.ts'
import type { Admission } from './admission.ts'
import type { Compressor } from './compression.ts'
import type { Counts } from './entries.ts'
import { expiryOf } from './expiry.ts'
import { COMPRESSED } from './flags.ts'
import { entryLength, MAX_KEY } from './format/entry.ts'
import { HEADS_NAME } from './index.ts'
import type { Known } from './known.ts'
import { generationWord, objectName } from './names.ts'
import type { Pending } from './pending.ts'
import type { Regions } from './regions.ts'
import type { Writer } from './writer.ts'

/** What is put. */
export interface Content {
  key: string
  /** `HEADS` for the list of heads, whose index is 0. */
  generation: number
  index: number
  heads: readonly Head[] | undefined
  /** The payload. */
  slice: Slice
  contentType: string | undefined
}

export interface PutsOptions {
  known: Known
  counts: Counts
  regions: Regions
  writer: Writer
  compressor: Compressor | undefined
  admission: Admission | undefined
  /** Most bytes of puts that wait or are being written. */
  queueBytes: number
  /** Most bytes of an entry. */
  maxEntryBytes: number
  /** The index is nearly full. */
  onCrowded(): void
  /** Whether anything can be written now. */
  isWritable(): boolean
}

/** Takes entries, packs them where that is worth it, and hands them to the writer. False = refused. */
export function createPuts(options: PutsOptions): (content: Content) => boolean {
  const { known, counts, regions, writer, compressor, admission } = options
  const { catalog, pending } = known

  function takes(keyBytes: number, payload: number): boolean {
    if (!options.isWritable() || keyBytes > MAX_KEY) return false
    if (entryLength(keyBytes, payload) > options.maxEntryBytes) return false
    if (catalog.isCrowded) options.onCrowded()
    if (pending.bytes() + payload + keyBytes > options.queueBytes) return false
    return catalog.index.count + pending.count() < catalog.capacity
  }

  /** The second time an entry is put it is worth a write. Heads are, too, once a slice of theirs was. */
  function isAdmitted({ key, index, heads }: Content, filter: Admission): boolean {
    const { low, high } = objectName(key)
    // By its place in the object: an object that comes back from the origin has another generation.
    const place = heads === undefined ? index : -1
    if (filter.isSecond(low, (high ^ Math.imul(place, 0x9e37_79b1)) >>> 0)) return true
    return heads !== undefined && catalog.index.ofObject(low, high).length > 0
  }

  async function pack({ generation, slice }: Pending, content: Content): Promise<Buffer | undefined> {
    const { low, high } = objectName(content.key)
    const object = `${low}.${high}.${generation}`
    if (!compressor?.wants(object, content.contentType, slice.length)) return undefined
    return compressor.compress(object, slice.segments, slice.length)
  }

  function write(entry: Pending, keyBytes: number, packed: Buffer | undefined): void {
    const { key, generation, index, heads, slice } = entry
    const { low, high } = objectName(key)
    writer.put({
      name: { key, generation, index },
      keyBytes,
      low,
      high,
      generation: generationWord(generation),
      index: heads === undefined ? index : HEADS_NAME,
      segments: packed === undefined ? slice.segments : [packed],
      stored: packed === undefined ? slice.length : packed.length,
      length: slice.length,
      codec: packed === undefined ? 'none' : 'zstd',
      expires: heads === undefined ? 0 : expiryOf(heads),
      flags: packed === undefined ? 0 : COMPRESSED,
      get gone() {
        return entry.gone
      },
      settled(block, blocks) {
        if (block !== -1) {
          if (entry.gone) regions.addLive(block, -blocks)
          else if (catalog.add(this, block, blocks)) counts.writtenBytes += this.stored
        }
        pending.settle(entry)
      },
    })
  }

  return (content) => {
    const { key, generation, index, slice, heads, contentType } = content
    const keyBytes = Buffer.byteLength(key)
    if (!takes(keyBytes, slice.length)) {
      counts.refused++
      return false
    }
    if (admission !== undefined && !isAdmitted(content, admission)) {
      counts.admissionRefused++
      return false
    }
    // What is replaced goes first, also from the index: whatever becomes of its successor, it is not found again.
    known.forget(key, generation, index)
    const bytes = slice.length + keyBytes
    const entry: Pending = { key, generation, index, bytes, heads, slice, gone: false, done: [] }
    pending.add(entry)
    counts.stores++
    if (heads !== undefined || compressor === undefined || contentType === undefined) {
      write(entry, keyBytes, undefined)
    } else {
      void pack(entry, content).then((packed) => {
        if (entry.gone) pending.settle(entry)
        else write(entry, keyBytes, packed)
      })
    }
    return true
  }
}
