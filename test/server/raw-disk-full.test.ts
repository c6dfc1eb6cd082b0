import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { balanced, MIB, startRawServer } from './raw-disk.ts'

t.test(
  'a cache that is full goes on: used/total stays between 0.8 and 0.9, fragmentation under 0.4',
  async (t) => {
    const files: Record<string, Buffer> = {}
    const origin = await fileOrigin(t, files)
    const raw = await startRawServer(t, origin.url)
    // Three times what the device holds.
    for (let i = 0; i < 96; i++) {
      files[`/${i}`] = bytesOf(700 + i, MIB + i * 100)
      const answer = await raw.ask(`/${i}`)
      t.ok(answer.complete && answer.body.equals(files[`/${i}`]), `/${i}`)
      if (i % 12 === 11) balanced(t, await raw.figures(), `after ${i + 1} MiB`)
    }
    const full = await raw.settled()
    balanced(t, full, 'full')
    const share = full.raw_disk_used_blocks / full.raw_disk_total_blocks
    t.ok(share >= 0.8 && share <= 0.9, `used/total is ${share}`)
    t.ok(full.raw_disk_fragmentation_rate < 0.4, `fragmentation ${full.raw_disk_fragmentation_rate}`)
    t.ok(full.raw_disk_reclaim_runs_total > 0)
    t.ok(full.raw_disk_reclaimed_bytes_total > 30 * MIB)
    t.equal((await raw.ask('/95')).header('x-cache'), 'HIT', 'the newest is there')
    t.equal((await raw.ask('/0')).header('x-cache'), 'MISS', 'the oldest is not')
  },
)
