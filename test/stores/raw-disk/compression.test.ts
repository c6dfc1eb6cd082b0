import { randomBytes } from 'node:crypto'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { createCompressor, expand } from '../../../lib/stores/raw-disk/compression.ts'
import { MAX_SEGMENT } from '../../../lib/stores/store.ts'

/** Text that zstd makes about a fifth of. */
function textOf(length: number, seed = 1): Buffer {
  const lines: string[] = []
  for (let i = 0, bytes = 0; bytes < length; i++) {
    const line = `{"id":${(i * 7919 * seed) % 100_003},"name":"entry ${i}","state":"stored"}\n`
    lines.push(line)
    bytes += line.length
  }
  return Buffer.from(lines.join('')).subarray(0, length)
}

function segmentsOf(bytes: Buffer, size = MAX_SEGMENT): Buffer[] {
  const segments: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) segments.push(bytes.subarray(at, at + size))
  return segments
}

/** `share` of the bytes are noise, the rest is one letter: what is left is a little over that share. */
function partlyNoise(length: number, share: number): Buffer {
  return Buffer.concat([randomBytes(Math.floor(length * share)), Buffer.alloc(length, 'a')]).subarray(
    0,
    length,
  )
}

t.test('what is packed is one frame of zstd, smaller, and comes back as it was', async (t) => {
  for (const length of [1024, 4096, 8192, 8193, 65536, 131072, 131073, 1_048_576, 3_000_001]) {
    const compressor = createCompressor()
    const plain = textOf(length)
    const packed = await compressor.compress('a', segmentsOf(plain), length)
    t.ok(packed !== undefined && packed.length < 0.9 * length, `${length} bytes are packed`)
    t.ok(zstdDecompressSync(packed!).equals(plain), 'any zstd can read it')
    t.equal(packed!.buffer.byteLength, packed!.length, 'it does not keep more memory alive than it has bytes')
    const segments = await expand(packed!, length)
    t.ok(Buffer.concat(segments).equals(plain))
    t.ok(
      segments.every((each) => each.length <= MAX_SEGMENT && each.buffer.byteLength === each.length),
      'segments are short and have memory of their own',
    )
    t.equal(new Set(segments.map((each) => each.buffer)).size, segments.length)
  }
})

t.test('the segmentation of what is packed does not matter', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1024, max: 200_000 }),
      fc.integer({ min: 100, max: 131_072 }),
      async (length, size) => {
        const plain = textOf(length, size)
        const packed = await createCompressor().compress('a', segmentsOf(plain, size), length)
        return Buffer.concat(await expand(packed!, length)).equals(plain)
      },
    ),
    { numRuns: 50 },
  )
})

t.test('texts of all kinds are wanted, and what is packed already is not', async (t) => {
  const compressor = createCompressor()
  const wanted = `text/html; charset=utf-8,TEXT/CSS,text/plain,text/csv,application/json,application/problem+json,image/svg+xml
    application/xhtml+xml,application/javascript,text/javascript;v=1,application/xml,application/wasm,application/x-ndjson
    application/manifest+json,font/ttf,font/otf,application/vnd.apple.mpegurl,image/bmp`
  for (const type of wanted.split(/[,\n]/)) t.ok(compressor.wants('a', type, 65536), type)
  const others = `image/png,image/jpeg,image/webp,image/avif,video/mp4,audio/mpeg,application/zip,application/gzip
    application/zstd,application/x-br,font/woff,font/woff2,application/pdf,application/octet-stream,multipart/byteranges,json,`
  for (const type of others.split(/[,\n]/)) t.notOk(compressor.wants('a', type.trim(), 65536), type)
  t.notOk(compressor.wants('a', undefined, 65536), 'no type, or the body has a coding')
})

t.test('short slices are not tried', async (t) => {
  const compressor = createCompressor()
  t.notOk(compressor.wants('a', 'text/plain', 1023))
  t.ok(compressor.wants('a', 'text/plain', 1024))
})

t.test('only what is under 90 % is kept packed', async (t) => {
  for (const length of [4096, 100_000]) {
    const compressor = createCompressor()
    t.equal(await compressor.compress('a', [partlyNoise(length, 0.93)], length), undefined)
    const packed = await compressor.compress('b', [partlyNoise(length, 0.85)], length)
    t.ok(packed !== undefined && packed.length < 0.9 * length && packed.length > 0.8 * length)
    t.match(compressor.figures(), { slices: 1, bytesIn: length, bytesOut: packed!.length, incompressible: 1 })
  }
})

t.test('a representation that did not get smaller is remembered, and no other', async (t) => {
  const compressor = createCompressor()
  t.ok(compressor.wants('noise', 'text/plain', 65536))
  await compressor.compress('noise', [randomBytes(65536)], 65536)
  t.notOk(compressor.wants('noise', 'text/plain', 65536))
  t.ok(compressor.wants('text', 'text/plain', 65536))
})

t.test('what waits behind a slice that did not get smaller is not tried any more', async (t) => {
  const compressor = createCompressor()
  const first = Array.from({ length: 8 }, () => compressor.compress('noise', [randomBytes(65536)], 65536))
  const later = compressor.compress('noise', [textOf(65536)], 65536)
  t.strictSame(await Promise.all([...first, later]), Array(9).fill(undefined))
  t.equal(compressor.figures().incompressible, 9)
})

t.test('the memory of incompressible representations is bounded', async (t) => {
  const compressor = createCompressor()
  const noise = randomBytes(1024)
  const name = (i: number) => `${i}`.padEnd(16 * 1024, 'x')
  for (let i = 0; i < 100; i++) await compressor.compress(name(i), [noise], 1024)
  const kept = Array.from({ length: 100 }, (_, i) => !compressor.wants(name(i), 'text/plain', 65536))
  t.notOk(kept[0], 'the oldest is forgotten')
  t.ok(kept[99])
  const characters = kept.filter(Boolean).length * 16 * 1024
  t.ok(characters > 500_000 && characters <= 1_048_576, `${characters} characters of names are kept`)
})

t.test('when much is under way nothing more is wanted, until some is done', async (t) => {
  const compressor = createCompressor()
  const slices = Array.from({ length: 8 }, (_, i) =>
    compressor.compress(`${i}`, [textOf(1_000_000)], 1_000_000),
  )
  t.ok(compressor.wants('a', 'text/plain', 300_000))
  t.notOk(compressor.wants('a', 'text/plain', 1_000_000))
  await Promise.all(slices)
  t.ok(compressor.wants('a', 'text/plain', 1_000_000))
  t.equal(compressor.figures().slices, 8, 'and those under way are all packed')
})

t.test('damaged bytes are never taken for others', async (t) => {
  const length = 20_000
  const plain = textOf(length)
  for (const size of [length, 6000]) {
    const part = plain.subarray(0, size)
    const packed = (await createCompressor().compress('a', [part], size))!
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: packed.length * 8 - 1 }), async (bit) => {
        const damaged = Buffer.from(packed)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        const segments = await expand(damaged, size).catch(() => [part])
        return Buffer.concat(segments).equals(part)
      }),
      { numRuns: 300 },
    )
    for (const cut of [0, 1, 10, packed.length >> 1, packed.length - 1])
      await t.rejects(expand(packed.subarray(0, cut), size), `${cut} bytes of ${packed.length}`)
    await t.rejects(expand(randomBytes(500), size))
    await t.rejects(expand(Buffer.alloc(500), size))
  }
})

t.test('another length than expected is refused, longer and shorter', async (t) => {
  for (const length of [4096, 100_000, 1_048_576]) {
    const packed = (await createCompressor().compress('a', [textOf(length)], length))!
    await t.rejects(expand(packed, length - 1), { name: 'RangeError' })
    await t.rejects(expand(packed, length + 1), { name: 'RangeError' })
    await t.rejects(expand(packed, 0))
  }
})

t.test('a frame that would fill the memory is stopped', async (t) => {
  const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024))
  const before = process.memoryUsage().arrayBuffers
  await t.rejects(expand(bomb, 4096))
  await t.rejects(expand(bomb, 65536))
  t.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024)
})

t.test('a frame that asks for a large window is refused', async (t) => {
  const params = { [constants.ZSTD_c_windowLog]: 26 }
  const wide = zstdCompressSync(textOf(3_000_000), { params })
  await t.rejects(expand(wide, 3_000_000), { code: 'ZSTD_error_frameParameter_windowTooLarge' })
})
