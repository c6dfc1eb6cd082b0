import t from 'tap'
import { rawDiskFamilies } from '../../lib/metrics/raw-disk.ts'
import type { RawDiskFigures } from '../../lib/stores/raw-disk/figures.ts'
import { rawDiskFigures } from './raw-disk-figures.ts'

/** Values by name and labels, as Prometheus shows them. */
function valuesOf(figures: RawDiskFigures): Record<string, number> {
  const values: Record<string, number> = {}
  for (const family of rawDiskFamilies(() => figures)) {
    for (const { labels = {}, value } of family.read()) {
      const shown = Object.entries(labels).map(([name, text]) => `{${name}="${text}"}`)
      values[family.name + shown] = value
    }
  }
  return values
}

t.test('the names and types that dashboards and alerts of pingora-slice rely on', async (t) => {
  const types = new Map(rawDiskFamilies(rawDiskFigures).map(({ name, type }) => [name, type]))
  const gauges = [
    'raw_disk_total_blocks',
    'raw_disk_used_blocks',
    'raw_disk_free_blocks',
    'raw_disk_fragmentation_rate',
    'raw_disk_cache_entries',
    'raw_disk_hit_rate',
  ]
  const counters = ['store', 'lookup', 'remove'].map((verb) => `raw_disk_cache_${verb}_operations_total`)
  for (const name of gauges) t.equal(types.get(name), 'gauge', name)
  for (const name of counters) t.equal(types.get(name), 'counter', name)
  for (const [name, type] of types) {
    t.match(name, /^raw_disk_[a-z_]+$/)
    t.equal(type === 'counter', name.endsWith('_total'), `${name} is named as what it is`)
  }
  t.equal(types.size, rawDiskFamilies(rawDiskFigures).length, 'no name twice')
})

t.test(
  'used is live and dead, free is clean and open, fragmentation is the dead share of the used',
  async (t) => {
    const blocks = { totalBlocks: 1000, liveBlocks: 600, deadBlocks: 200, cleanBlocks: 150, openBlocks: 50 }
    t.match(valuesOf(rawDiskFigures(blocks)), {
      raw_disk_total_blocks: 1000,
      raw_disk_used_blocks: 800,
      raw_disk_free_blocks: 200,
      raw_disk_live_blocks: 600,
      raw_disk_dead_blocks: 200,
      raw_disk_clean_blocks: 150,
      raw_disk_open_blocks: 50,
      raw_disk_fragmentation_rate: 0.25,
    })
    t.match(valuesOf(rawDiskFigures({ lookups: 8, hits: 6, readErrors: 3, writeErrors: 4 })), {
      raw_disk_hit_rate: 0.75,
      'raw_disk_io_errors_total{kind="read"}': 3,
      'raw_disk_io_errors_total{kind="write"}': 4,
    })
  },
)

t.test('before anything was stored or asked for no rate is NaN', async (t) => {
  for (const [name, value] of Object.entries(valuesOf(rawDiskFigures()))) t.equal(value, 0, name)
})

t.test('every figure changes a metric', async (t) => {
  const base = rawDiskFigures({ lookups: 10, liveBlocks: 10 })
  const before = valuesOf(base)
  for (const [name, value] of Object.entries(base)) {
    const after = valuesOf({ ...base, [name]: typeof value === 'boolean' ? !value : value + 7 })
    t.notSame(after, before, name)
  }
})
