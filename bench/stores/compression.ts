import { globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { LEVEL } from '../../lib/stores/raw-disk/compression.ts'
import { type Bench, MIB, percentile } from '../harness.ts'

const MODULES = join(import.meta.dirname, '../../node_modules')
const KINDS = { JavaScript: '**/*.js', JSON: '**/*.json', Markdown: '**/*.md' }

/** Which level of zstd slices should be packed with: of what others wrote, in the modules that this project uses. */
export async function benchCompression(bench: Bench): Promise<void> {
  const rounds = bench.smoke ? 1 : 3
  const most = (bench.smoke ? 1 : 8) * MIB
  bench.line('## Packing slices')
  bench.line('')
  bench.line(
    `Up to ${most / MIB} MiB of files of node_modules, one after the other, cut into slices; one thread, medians of ${rounds} rounds. Left: packed bytes / plain bytes.`,
  )
  bench.line(`The store packs with level ${LEVEL}.`)
  bench.line('')
  const levels = [1, 2, 3]
  const columns = levels.map((level) => `level ${level}: left | packs, MB/s | unpacks, MB/s`)
  bench.line(`| slices | ${columns.join(' | ')} |`)
  bench.line(`|---|${'---|'.repeat(3 * levels.length)}`)
  for (const [name, pattern] of Object.entries(KINDS)) {
    const text = textOf(pattern, most)
    for (const size of [16 * 1024, MIB]) {
      const slices: Buffer[] = []
      for (let at = 0; at + size <= text.length; at += size) slices.push(text.subarray(at, at + size))
      const measured = levels.map((): Measured[] => [])
      for (let round = 0; round < rounds; round++)
        for (const [i, level] of levels.entries()) measured[i].push(measure(slices, level))
      const cells = measured.map((each) => {
        const packs = Math.round(
          percentile(
            each.map(({ packs }) => packs),
            0.5,
          ),
        )
        const unpacks = Math.round(
          percentile(
            each.map(({ unpacks }) => unpacks),
            0.5,
          ),
        )
        return `${each[0].left.toFixed(3)} | ${packs} | ${unpacks}`
      })
      bench.line(`| ${name}, ${size / 1024} KiB | ${cells.join(' | ')} |`)
    }
  }
  bench.line('')
}

interface Measured {
  left: number
  packs: number
  unpacks: number
}

function measure(slices: Buffer[], level: number): Measured {
  const bytes = slices.length * slices[0].length
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
  const started = performance.now()
  const packed = slices.map((slice) =>
    zstdCompressSync(slice, { params, chunkSize: slice.length, pledgedSrcSize: slice.length }),
  )
  const between = performance.now()
  for (const each of packed) zstdDecompressSync(each, { chunkSize: slices[0].length })
  const ended = performance.now()
  return {
    left: packed.reduce((sum, each) => sum + each.length, 0) / bytes,
    packs: bytes / 1000 / (between - started),
    unpacks: bytes / 1000 / (ended - between),
  }
}

function textOf(pattern: string, most: number): Buffer {
  const parts: Buffer[] = []
  let bytes = 0
  for (const name of globSync(pattern, { cwd: MODULES }).sort()) {
    const path = join(MODULES, name)
    // Minified bundles of megabytes would be all there is.
    const { size } = statSync(path)
    if (size < 2048 || size > most / 8 || !statSync(path).isFile()) continue
    parts.push(readFileSync(path))
    bytes += size
    if (bytes >= most) break
  }
  return Buffer.concat(parts).subarray(0, most)
}
