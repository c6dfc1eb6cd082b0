import { availableParallelism } from 'node:os'
import {
  constants,
  createZstdDecompress,
  zstdCompress,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib'
import { LRUCache } from 'lru-cache'
import { MAX_SEGMENT } from '../store.ts'

/**
 * Level of zstd. Of slices of 1 MiB of JavaScript, JSON and Markdown, level 3 left 8 to 19 % less than level 1 and packed
 * 15 to 34 % slower; of 16 KiB, level 2 left more than level 1. `bench/stores/compression.ts` measures it again.
 */
export const LEVEL = 3

/** Largest share of the plain bytes at which the packed ones are worth unpacking at every read. */
const WORTH_IT = 0.9

/** Shorter slices are not tried: they take a block either way. */
const LEAST_BYTES = 1024

/**
 * Most bytes that are packed and unpacked in place. Making a stream and waiting for a thread of libuv took the main
 * thread 0.14 to 0.19 ms, to pack 4 KiB 0.07 ms and to unpack them 0.05 ms.
 */
const IN_PLACE = 8 * 1024

/** Bytes of slices being packed or waiting for it, above which no slice is taken: writing must not wait for this. */
const MOST_UNDER_WAY = 8 * 1024 * 1024

/** Characters of the names of incompressible representations that are remembered. */
const MOST_REMEMBERED = 1024 * 1024

/** Frames that ask for a larger window than level 3 makes are not ours: they would cost up to 128 MiB to unpack. */
const WINDOW_LOG_MAX = 21

const PACK = {
  [constants.ZSTD_c_compressionLevel]: LEVEL,
  [constants.ZSTD_c_checksumFlag]: 1,
}
const UNPACK = { params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } }

/** Whole media types of text in another tree than text/; those with a suffix are in `TEXTUAL_SUFFIX`. */
const TEXTUAL = new Set([
  ...inTree(
    'application',
    'json javascript x-javascript ecmascript xml xml-dtd wasm manifest rtf sql graphql yaml x-yaml toml csv x-sh',
  ),
  ...inTree(
    'application',
    'x-ndjson ndjson jsonlines x-mpegurl vnd.apple.mpegurl x-subrip vnd.ms-fontobject',
  ),
  // Fonts and pictures that are tables and pixels as they are; woff, woff2 and png are packed already.
  ...inTree('font', 'ttf otf sfnt collection'),
  ...inTree('image', 'bmp x-icon vnd.microsoft.icon'),
])
const TEXTUAL_SUFFIX = /^text\/|\+(json|json-seq|xml|yaml)$/

/** Decides which slices are kept packed, packs them off the main thread, and remembers where it did not pay. */
export interface Compressor {
  /**
   * Whether it is worth a try: by type, by length, by what was learnt of this representation, and by how much is under
   * way already.
   * @param object any string that names key and generation
   * @param contentType of a body without Content-Encoding; undefined: not known, never tried
   * @param length bytes of the slice
   */
  wants(object: string, contentType: string | undefined, length: number): boolean
  /**
   * The slice as one frame of zstd; undefined when that is not under 90 % of the plain bytes: then the representation is
   * remembered as incompressible. Never rejects. The segments must not change until it resolves.
   */
  compress(object: string, segments: readonly Buffer[], length: number): Promise<Buffer | undefined>
  /** `bytesIn` and `bytesOut` are those of the slices that were made smaller; `incompressible` counts the others. */
  figures(): CompressionFigures
}

export interface CompressionFigures {
  slices: number
  bytesIn: number
  bytesOut: number
  incompressible: number
}

export function createCompressor(): Compressor {
  const figures: CompressionFigures = { slices: 0, bytesIn: 0, bytesOut: 0, incompressible: 0 }
  const incompressible = new LRUCache<string, true>({
    maxSize: MOST_REMEMBERED,
    maxEntrySize: MOST_REMEMBERED,
    sizeCalculation: (_, object) => object.length + 1,
  })
  const turns = createTurns(Math.max(1, Math.min(4, availableParallelism() - 1)))
  let underWay = 0

  return {
    wants: (object, contentType, length) =>
      length >= LEAST_BYTES &&
      contentType !== undefined &&
      underWay + length <= MOST_UNDER_WAY &&
      isTextual(contentType) &&
      incompressible.get(object) === undefined,

    async compress(object, segments, length) {
      underWay += length
      await turns.take()
      // What waited for its turn behind the first of its kind need not be tried.
      const packed = incompressible.has(object) ? undefined : await pack(segments, length)
      turns.give()
      underWay -= length
      if (packed === undefined) {
        figures.incompressible++
        incompressible.set(object, true)
        return undefined
      }
      figures.slices++
      figures.bytesIn += length
      figures.bytesOut += packed.length
      return withMemoryOfItsOwn(packed)
    },

    figures: () => ({ ...figures }),
  }
}

/**
 * The plain bytes of a slice that was kept packed, in segments of at most 128 KiB with memory of their own, so that a
 * stalled client keeps a segment alive and not the slice.
 * Rejects when `stored` is damaged or does not hold exactly `length` bytes; never makes much more than those.
 */
export function expand(stored: Buffer, length: number): Promise<Buffer[]> {
  return length <= IN_PLACE ? expandInPlace(stored, length) : expandInThread(stored, length)
}

function inTree(tree: string, names: string): string[] {
  return names.split(' ').map((name) => `${tree}/${name}`)
}

function isTextual(contentType: string): boolean {
  const end = contentType.indexOf(';')
  const type = (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
  return TEXTUAL.has(type) || TEXTUAL_SUFFIX.test(type)
}

/** Undefined when the frame has not under 90 % of the plain bytes, or could not be made. */
function pack(segments: readonly Buffer[], length: number): Promise<Buffer | undefined> {
  // In one piece: each further segment would be a way to the thread and back.
  const plain = segments.length === 1 ? segments[0] : Buffer.concat(segments, length)
  const most = Math.ceil(length * WORTH_IT) - 1
  const options = {
    params: PACK,
    pledgedSrcSize: length,
    maxOutputLength: most,
    chunkSize: Math.max(64, most),
  }
  if (length <= IN_PLACE) return Promise.resolve(attempt(() => zstdCompressSync(plain, options)))
  return new Promise((resolve) => {
    zstdCompress(plain, options, (error, packed) => resolve(error === null ? packed : undefined))
  })
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

async function expandInPlace(stored: Buffer, length: number): Promise<Buffer[]> {
  const options = { ...UNPACK, chunkSize: Math.max(64, length), maxOutputLength: length }
  const plain = zstdDecompressSync(stored, options)
  if (plain.length !== length) throw wrongLength(length)
  return [withMemoryOfItsOwn(plain)]
}

function expandInThread(stored: Buffer, length: number): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const segments: Buffer[] = []
    let rest = length
    const stream = createZstdDecompress({ ...UNPACK, chunkSize: MAX_SEGMENT })
    stream.on('data', (segment: Buffer) => {
      rest -= segment.length
      if (rest < 0) stream.destroy(wrongLength(length))
      else segments.push(withMemoryOfItsOwn(segment))
    })
    stream.on('end', () => (rest === 0 ? resolve(segments) : reject(wrongLength(length))))
    stream.on('error', reject)
    stream.end(stored)
  })
}

function withMemoryOfItsOwn(segment: Buffer): Buffer {
  if (segment.length === segment.buffer.byteLength) return segment
  const own = Buffer.allocUnsafeSlow(segment.length)
  segment.copy(own)
  return own
}

function wrongLength(length: number): Error {
  return new RangeError(`a packed slice does not hold ${length} bytes`)
}

/** At most `most` at once; the others wait in the order in which they came. */
function createTurns(most: number): { take(): Promise<void> | undefined; give(): void } {
  const waiting: (() => void)[] = []
  let free = most
  return {
    take() {
      if (free > 0) {
        free--
        return undefined
      }
      return new Promise((resolve) => waiting.push(resolve))
    },
    give() {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    },
  }
}
