import type { Slab } from '../slabs.ts'
import type { Device } from './device.ts'
import { decodePurge, PURGE_RECORD_BYTES, type PurgeRecord, putPurge } from './format/purge.ts'
import type { Geometry } from './geometry.ts'

/**
 * Purges that no checkpoint has seen yet. The log has two halves that are filled in turn: one is written to, and the
 * other may be forgotten once the checkpoint that covers it is on the device.
 *
 * Blocks of 4 KiB are written anew as they fill. No record straddles a sector of 512 bytes, and what a block held
 * before is written with it, so a torn write cannot hurt earlier records.
 */

export type { PurgeRecord } from './format/purge.ts'

const BLOCK = 4096
/** Most bytes of one write, and of one read. */
const BATCH = 64 * 1024

/** A block of the log. */
export interface PurgePlace {
  half: 0 | 1
  block: number
}

export interface PurgeLog {
  /**
   * Resolves when the record is on the device and fsynced; many share one write and one fsync. Rejects with the
   * device's error; the record may be there nevertheless. Waits while both halves are full, until `release`.
   */
  append(record: PurgeRecord): Promise<void>
  /**
   * For the checkpoint that sees everything purged so far: from now on the other half is written to, unless an
   * earlier checkpoint still holds that one. What may be forgotten then is so once `release` was called.
   */
  turn(): { release(): void }
  /** How much of the present half is filled, from 0 to 1. */
  readonly fillShare: number
  /** Rejects what waits, for room or for its turn: the checkpoint failed. What has to wait later is told again. */
  giveUp(error: Error): void
  /** Resolves when no append is pending. */
  flush(): Promise<void>
  /** After the write under way, gives the memory back. What waits is rejected, as are later appends. */
  close(): Promise<void>
}

export interface PurgeLogOptions {
  device: Device
  geometry: Geometry
  salt: number
  memory: Slab
  /** The last block with records that still matter (see `readPurges`); null when none does. */
  after: PurgePlace | null
  /** A half is full, time for a checkpoint: called at each change of halves, and when appends begin to wait. */
  onFull(): void
}

interface Append {
  record: PurgeRecord
  resolve(): void
  reject(error: unknown): void
}

/** @throws RangeError when the memory has no 64 KiB left. */
export function createPurgeLog(o: PurgeLogOptions): PurgeLog {
  const { device, geometry, salt, memory, after, onFull } = o
  const halfBytes = Math.floor(geometry.purgeLog[0].bytes / BLOCK) * BLOCK
  /** Begins with what the present block holds. */
  const batch = memory.take(Math.min(BATCH, halfBytes))
  if (batch === undefined) throw new RangeError('no memory for the purge log')

  /** Where the next record goes. A new object at each turn, so that a write under way can tell. */
  let place = { half: after?.half ?? 0, start: after === null ? 0 : (after.block + 1) * BLOCK, filled: 0 }
  /** The half that is not written to must not be, until this is released. */
  let held: object | null = after === null ? null : {}
  const waiting: Append[] = []
  let working = false
  let isTold = false
  let closed = false
  const idle: (() => void)[] = []

  function recordsThatFit(): number {
    const bytes = Math.min(batch!.length, halfBytes - place.start) - place.filled
    return Math.floor(bytes / PURGE_RECORD_BYTES)
  }

  function changeHalves(): void {
    held = {}
    place = { half: place.half === 0 ? 1 : 0, start: 0, filled: 0 }
  }

  function work(): void {
    if (working || waiting.length === 0) return
    working = true
    // Not at once: what is purged in the same turn shares the first write.
    queueMicrotask(writeAll)
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      if (recordsThatFit() === 0) {
        const mustWait = held !== null
        if (!mustWait) changeHalves()
        if (!mustWait || !isTold) onFull()
        isTold = mustWait
        if (mustWait) break
      }
      await write(waiting.splice(0, recordsThatFit()))
    }
    working = false
    rest()
  }

  function rest(): void {
    for (const resolve of idle.splice(0)) resolve()
  }

  async function write(appends: Append[]): Promise<void> {
    const from = place
    let end = from.filled
    for (const { record } of appends) {
      putPurge(batch!, end, record, salt)
      end += PURGE_RECORD_BYTES
    }
    const length = Math.ceil(end / BLOCK) * BLOCK
    batch!.fill(0, end, length)
    try {
      await device.write(batch!.subarray(0, length), geometry.purgeLog[from.half].offset + from.start)
      await device.sync()
    } catch (error) {
      // The place stays: an fsync that failed says nothing of what was written, so the next batch writes it anew.
      for (const { reject } of appends) reject(error)
      return
    }
    if (place === from) advance(end)
    for (const { resolve } of appends) resolve()
  }

  function advance(end: number): void {
    const whole = Math.floor(end / BLOCK) * BLOCK
    batch!.copyWithin(0, whole, end)
    place = { half: place.half, start: place.start + whole, filled: end - whole }
  }

  function giveUp(error: Error): void {
    for (const { reject } of waiting.splice(0)) reject(error)
    isTold = false
    if (!working) rest()
  }

  function flush(): Promise<void> {
    if (!working && waiting.length === 0) return Promise.resolve()
    return new Promise<void>((resolve) => idle.push(resolve)).then(flush)
  }

  return {
    append(record) {
      if (closed) return Promise.reject(new Error('the purge log is closed'))
      return new Promise((resolve, reject) => {
        waiting.push({ record, resolve, reject })
        work()
      })
    },

    turn() {
      if (held === null) changeHalves()
      const hold = held
      return {
        release() {
          if (held !== hold) return
          held = null
          work()
        },
      }
    },

    get fillShare() {
      return (place.start + place.filled) / halfBytes
    },

    giveUp,
    flush,

    async close() {
      if (closed) return
      closed = true
      giveUp(new Error('the purge log is closed'))
      await flush()
      memory.give(batch)
    },
  }
}

export interface FoundPurges {
  /** In any order. */
  records: PurgeRecord[]
  /** The last block that one of them is in, in the half with the newest one; null when there are none. */
  after: PurgePlace | null
  /** Records of ours that cannot be read any more: nobody knows what they purged. */
  damaged: number
}

/**
 * Every purge of both halves with a sequence over `since`, that of the snapshot. Rejects with the device's error: then
 * nobody knows what was purged, and nothing older may be served.
 */
export async function readPurges(o: {
  device: Device
  geometry: Geometry
  salt: number
  memory: Slab
  since: number
}): Promise<FoundPurges> {
  const { device, geometry, salt, memory, since } = o
  const found: FoundPurges = { records: [], after: null, damaged: 0 }
  const newest = [-1, -1]
  /** The last block with one that matters, by half: not always that of the newest, what failed is appended again. */
  const last = [-1, -1]

  function take(bytes: Buffer, half: 0 | 1, start: number): void {
    for (let at = 0; at < bytes.length; at += PURGE_RECORD_BYTES) {
      const record = decodePurge(bytes, at, salt)
      if (record === 'damaged') found.damaged++
      if (record === undefined || record === 'damaged' || record.sequence <= since) continue
      found.records.push(record)
      newest[half] = Math.max(newest[half], record.sequence)
      last[half] = Math.floor((start + at) / BLOCK)
    }
  }

  const bytes = await memory.wait(BATCH)
  try {
    for (const half of [0, 1] as const) {
      const area = geometry.purgeLog[half]
      for (let start = 0; start < area.bytes; start += BATCH) {
        const part = bytes.subarray(0, Math.min(BATCH, area.bytes - start))
        await device.read(part, area.offset + start)
        take(part, half, start)
      }
    }
  } finally {
    memory.give(bytes)
  }
  const half = newest[1] > newest[0] ? 1 : 0
  if (found.records.length > 0) found.after = { half, block: last[half] }
  return found
}
