import { constants } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { MIB, SLICE, startRawServer, textOf, typedOrigin } from './raw-disk.ts'

const files = { '/long': bytesOf(1, 12 * SLICE), '/text.json': textOf(2, 6 * SLICE) }

/** Stores both files and reads them twice: the figures then. */
async function figuresWith(t: Parameters<typeof typedOrigin>[0], rawDisk: Record<string, unknown>) {
  const origin = await typedOrigin(t, files)
  const raw = await startRawServer(t, origin.url, rawDisk)
  const answers: (string | undefined)[] = []
  for (let turn = 0; turn < 3; turn++) {
    for (const [path, file] of Object.entries(files)) {
      const answer = await raw.ask(path)
      if (!answer.body.equals(file)) throw new Error(`${path}: not the origin's bytes`)
      answers.push(answer.header('x-cache'))
    }
    await raw.settled()
  }
  const figures = await raw.settled()
  const messages = raw.messages()
  await raw.server.kill('SIGTERM')
  return { figures, answers, messages }
}

/** Whether files of the temporary directory can be opened so: not on every file system. */
async function hasDirectIo(): Promise<boolean> {
  const path = join(tmpdir(), `slicestream-direct-${process.pid}`)
  const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_DIRECT ?? 0)
  const file = await open(path, flags).catch(() => undefined)
  await file?.close()
  await unlink(path).catch(() => {})
  return file !== undefined && constants.O_DIRECT !== undefined
}

t.test('with the switches as they are by default, metrics show each of them at work', async (t) => {
  const { figures, answers, messages } = await figuresWith(t, {})
  t.same(answers, ['MISS', 'MISS', 'HIT', 'HIT', 'HIT', 'HIT'])
  if (await hasDirectIo()) t.equal(figures.raw_disk_direct_io, 1)
  else t.ok(figures.raw_disk_direct_io === 1 || messages.some((text) => /O_DIRECT/.test(text)))
  t.ok(figures.raw_disk_compressed_slices_total > 0)
  t.ok(figures.raw_disk_compression_out_bytes_total < 0.9 * figures.raw_disk_compression_in_bytes_total)
  t.ok(figures.raw_disk_zero_copy_bytes_total > 12 * SLICE)
  t.ok(figures.raw_disk_prefetched_slices_total > 0)
  t.ok(figures.raw_disk_prefetch_used_total > 0)
  t.equal(figures.raw_disk_admission_refused_total, 0)
  t.equal(figures.raw_disk_self_test_failures_total, 0)
  t.equal(figures.raw_disk_lent_bytes, 0)
  t.equal(figures.raw_disk_offline, 0)
  t.equal(
    figures.raw_disk_hit_rate,
    figures.cache_l2_lookup_hits_total / figures.cache_l2_lookup_operations_total,
  )
})

t.test('with all of them turned off, none is', async (t) => {
  const { figures, answers } = await figuresWith(t, {
    use_direct_io: false,
    enable_compression: false,
    enable_prefetch: false,
    enable_zero_copy: false,
  })
  t.same(answers, ['MISS', 'MISS', 'HIT', 'HIT', 'HIT', 'HIT'])
  const zero = [
    'raw_disk_direct_io',
    'raw_disk_compressed_slices_total',
    'raw_disk_compression_in_bytes_total',
    'raw_disk_incompressible_slices_total',
    'raw_disk_zero_copy_bytes_total',
    'raw_disk_prefetched_slices_total',
    'raw_disk_prefetch_used_total',
    'raw_disk_prefetch_wasted_total',
    'raw_disk_admission_refused_total',
  ]
  for (const name of zero) t.equal(figures[name], 0, name)
  t.ok(figures.raw_disk_copied_bytes_total >= 2 * 18 * SLICE, 'all that was read was copied')
})

t.test('second_hit_admission: stored when it is asked for again', async (t) => {
  const { figures, answers } = await figuresWith(t, { second_hit_admission: true })
  t.same(answers, ['MISS', 'MISS', 'MISS', 'MISS', 'HIT', 'HIT'])
  t.ok(figures.raw_disk_admission_refused_total >= 18)
})

t.test('block_size: the unit of all counts', async (t) => {
  const { figures } = await figuresWith(t, { block_size: 512, total_size: 24 * MIB })
  t.equal(figures.raw_disk_block_size_bytes, 512)
  t.ok(figures.raw_disk_total_blocks * 512 > 20 * MIB && figures.raw_disk_total_blocks * 512 < 24 * MIB)
  t.equal(figures.raw_disk_used_blocks + figures.raw_disk_free_blocks, figures.raw_disk_total_blocks)
  t.ok(figures.raw_disk_padding_bytes < 512 * figures.raw_disk_cache_entries)
})
