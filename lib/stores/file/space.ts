import fs from 'node:fs'
import { call } from './files.ts'

/** The file system is asked again after so many milliseconds, or when so many bytes were put. */
const CHECK_AFTER_MS = 5000
const CHECK_AFTER_BYTES = 64 * 1024 * 1024
/** What is left free for others: the larger of these many bytes and this share of the file system. */
const RESERVE_BYTES = 64 * 1024 * 1024
const RESERVE_SHARE = 0.01
/** What remains of the entries when the disk reports that it is full although we saw room (inodes, quotas). */
const SHRINK_WHEN_FULL = 0.95

export interface SpaceFigures {
  /** Bytes available to us, and of the file system. */
  available: number
  total: number
}

/** How many bytes a store that takes `used` on this file system may take at most. */
export function spaceLimit(maxBytes: number, used: number, space: SpaceFigures): number {
  const reserve = Math.max(RESERVE_BYTES, space.total * RESERVE_SHARE)
  return Math.max(0, Math.min(maxBytes, used + space.available - reserve))
}

/** Keeps the disk from filling because of us, whatever else is written to it. */
export interface SpaceGuard {
  /** Most bytes that the store may take now. */
  limit(): number
  /** Says that so many bytes are going to be written; asks the file system now and then. */
  willWrite(bytes: number): void
  /** The disk was full. */
  ranOut(): void
  /** Asks the file system now. */
  check(): Promise<void>
}

/**
 * @param used bytes that the store takes on the disk now
 * @param onShrink called when the limit became less than before
 */
export function createSpaceGuard(
  dir: string,
  maxBytes: number,
  used: () => number,
  onShrink: () => void,
): SpaceGuard {
  let limit = maxBytes
  let checkedAt = 0
  let bytesSince = 0
  let checking: Promise<void> | undefined

  async function ask(): Promise<void> {
    try {
      const { bavail, blocks, bsize } = await call<fs.StatsFs>((done) => fs.statfs(dir, done))
      setLimit(spaceLimit(maxBytes, used(), { available: bavail * bsize, total: blocks * bsize }))
    } catch {
      // Without an answer the limit stays: the writes themselves will tell.
    }
  }

  function setLimit(bytes: number): void {
    const shrinks = bytes < limit
    limit = bytes
    if (shrinks) onShrink()
  }

  function check(): Promise<void> {
    checkedAt = Date.now()
    bytesSince = 0
    checking ??= ask().finally(() => (checking = undefined))
    return checking
  }

  return {
    limit: () => limit,
    check,
    willWrite(bytes) {
      bytesSince += bytes
      if (bytesSince > CHECK_AFTER_BYTES || Date.now() - checkedAt > CHECK_AFTER_MS) void check()
    },
    ranOut: () => setLimit(Math.min(limit, used() * SHRINK_WHEN_FULL)),
  }
}
