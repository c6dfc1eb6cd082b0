import type { Random } from '../../helpers/random.ts'

/**
 * The bytes of a device in memory, as pages that are never changed but replaced: a copy of a whole device shares
 * them, and costs a Map.
 */

/** Unit in which a device writes: a torn write is torn between two sectors. */
export const SECTOR = 512
export const PAGE = 4096

/** By number; what is missing is zeros. */
export type Pages = Map<number, Buffer>

const zeros = Buffer.alloc(PAGE)

export function readPages(pages: Pages, into: Buffer, position: number): void {
  for (let at = 0; at < into.length; at += PAGE) {
    into.set(pages.get((position + at) / PAGE) ?? zeros, at)
  }
}

/** `bytes` become part of the device: nobody may change them afterwards. */
export function writePages(pages: Pages, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length; at += PAGE) {
    pages.set((position + at) / PAGE, bytes.subarray(at, at + PAGE))
  }
}

/** Writes only the sectors that `kept` says true of, by their number within `bytes`. */
export function writeSectors(
  pages: Pages,
  bytes: Buffer,
  position: number,
  kept: (sector: number) => boolean,
) {
  for (let at = 0; at < bytes.length; at += PAGE) {
    const page = Buffer.from(pages.get((position + at) / PAGE) ?? zeros)
    for (let within = 0; within < PAGE; within += SECTOR) {
      if (!kept((at + within) / SECTOR)) continue
      page.set(bytes.subarray(at + within, at + within + SECTOR), within)
    }
    pages.set((position + at) / PAGE, page)
  }
}

/** Which sectors of a write arrive: none, all, those up to one, those from one on, or any. */
export function tear(bytes: number, random: Random): (sector: number) => boolean {
  const at = random.below(bytes / SECTOR + 1)
  return random.pick<(sector: number) => boolean>([
    () => false,
    () => true,
    (sector) => sector < at,
    (sector) => sector >= at,
    () => random.chance(0.5),
  ])
}

const aligned = new WeakSet<ArrayBufferLike>()

/** Whether O_DIRECT would take it. Of JavaScript's memory only that of WebAssembly begins at a page; it cannot be transferred. */
export function isAligned(buffer: Buffer): boolean {
  const memory = buffer.buffer as ArrayBuffer
  if (buffer.byteOffset % PAGE !== 0 || memory === Buffer.allocUnsafe(1).buffer) return false
  if (aligned.has(memory)) return true
  try {
    memory.transfer(0)
    return false
  } catch {
    aligned.add(memory)
    return true
  }
}
