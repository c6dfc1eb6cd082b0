import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Head } from '../../lib/semantics/types.ts'
import type { Slice } from '../../lib/stores/store.ts'

/** A directory of the test's own, removed when the test ends. */
export function scratchDirectory(t: { teardown(done: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'slicestream-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A slice whose bytes follow from `seed`, in segments of at most `segment` bytes. */
export function sliceOf(seed: number, length: number, segment = 64 * 1024): Slice {
  const segments: Buffer[] = []
  for (let start = 0; start < length; start += segment) {
    const bytes = Buffer.allocUnsafeSlow(Math.min(segment, length - start))
    for (let at = 0; at < bytes.length; at++) bytes[at] = seed * 31 + (start + at) * 7 + ((start + at) >> 8)
    segments.push(bytes)
  }
  return { length, segments }
}

/** The bytes of a slice as one Buffer; undefined for a miss. */
export function bytesOf(slice: Slice | undefined): Buffer | undefined {
  return slice && Buffer.concat(slice.segments)
}

export function headOf(key: string, generation: number, changes: Partial<Head> = {}): Head {
  return {
    key,
    generation,
    sliceSize: 65536,
    status: 200,
    fields: ['Content-Type', 'text/plain', 'X-Caf\xe9', 'na\xefve'],
    length: 12,
    etag: '"v1"',
    lastModified: null,
    strongLastModified: false,
    contentEncoding: '',
    vary: [],
    varyValues: [],
    language: '',
    acceptEncoding: null,
    requestTime: 1,
    responseTime: 2,
    order: 0,
    date: 2,
    initialAge: 0,
    freshUntil: 3600000,
    noCache: false,
    immutable: false,
    mustRevalidate: false,
    staleIfErrorUntil: 0,
    staleWhileRevalidateUntil: 0,
    groups: [],
    ...changes,
  }
}
