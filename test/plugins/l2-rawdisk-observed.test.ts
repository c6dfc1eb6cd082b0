import Fastify from 'fastify'
import t from 'tap'
import type { RawDiskFigures } from '../../lib/stores/raw-disk/figures.ts'
import { emptyStats } from '../../lib/stores/stats.ts'
import type { SliceStore } from '../../lib/stores/store.ts'
import health from '../../plugins/health.ts'
import metrics from '../../plugins/metrics.ts'
import { rawDiskFigures } from '../metrics/raw-disk-figures.ts'

/** What `l2-rawdisk` decorates, its figures to be set as the test likes. */
function observed(t: { teardown(end: () => unknown): unknown }) {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  const figures = rawDiskFigures({ totalBlocks: 10, cleanBlocks: 10 })
  let looks = 0
  const look = (): RawDiskFigures => {
    looks++
    return { ...figures }
  }
  const decorate = () => {
    fastify.decorate('l2', { stats: () => emptyStats(0) } as unknown as SliceStore)
    const none = new Uint8Array(0)
    const map = () => ({ regions: 0, regionsPerCell: 1, states: none, live: none })
    fastify.decorate('rawDisk', { figures: look, map })
  }
  const scrape = async () => (await fastify.inject('/metrics')).body
  const status = async () => {
    const response = await fastify.inject('/health')
    return [response.statusCode, response.json().status]
  }
  return { fastify, figures, decorate, scrape, status, looks: () => looks }
}

t.test(
  'its metrics are there with it, also when it is registered later, and are those of the moment',
  async (t) => {
    const { fastify, figures, decorate, scrape, looks } = observed(t)
    await fastify.register(metrics, {})
    decorate()
    t.match(await scrape(), /^raw_disk_free_blocks 10$/m)
    Object.assign(figures, { cleanBlocks: 4, liveBlocks: 6, checkpoints: 2 })
    const before = looks()
    const text = await scrape()
    t.match(text, /^raw_disk_free_blocks 4$/m)
    t.match(text, /^raw_disk_used_blocks 6$/m)
    t.match(text, /^raw_disk_checkpoints_total 2$/m)
    t.match(text, /^raw_disk_io_errors_total\{kind="write"\} 0$/m)
    t.equal(looks() - before, 1, 'one look for all of a scrape')
  },
)

t.test('without a raw disk there are none', async (t) => {
  const { fastify, scrape } = observed(t)
  await fastify.register(metrics, {})
  t.notMatch(await scrape(), /raw_disk_/)
})

t.test('a raw disk that is offline degrades for as long as it is', async (t) => {
  const { fastify, figures, decorate, status } = observed(t)
  decorate()
  await fastify.register(health, {})
  t.same(await status(), [200, 'healthy'])
  figures.offline = true
  t.same(await status(), [200, 'degraded'])
  figures.offline = false
  t.same(await status(), [200, 'healthy'])
})

t.test('a self-test that fails degrades', async (t) => {
  const { fastify, figures, decorate, status } = observed(t)
  decorate()
  await fastify.register(health, {})
  t.same(await status(), [200, 'healthy'])
  figures.selfTestFailures++
  t.same(await status(), [200, 'degraded'])
})
