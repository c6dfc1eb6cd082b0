import t from 'tap'
import { until } from '../until.ts'
import { type Illness, patient, WELL } from './patient.ts'

const illnesses: Record<string, Partial<Illness>> = {
  'reads fail (EIO)': { reads: 'EIO' },
  'writes fail (EIO)': { writes: 'EIO' },
  'no write has room (ENOSPC)': { writes: 'ENOSPC' },
  'everything fails': { reads: 'EIO', writes: 'EIO' },
  'reads end too soon': { reads: 'SHORT' },
}

for (const [name, what] of Object.entries(illnesses)) {
  t.test(`a disk dies under load, ${name}: no client notices, and it comes back`, async (t) => {
    const { illness, load, status, hits, tier, proxy, figures } = await patient(t)
    await load()
    t.ok(figures().hits > 0, 'it worked')
    const dying = load()
    Object.assign(illness, what)
    await dying
    await load()
    const sick = figures()
    t.equal(sick.offline, true)
    t.ok(
      sick.readErrors + sick.writeErrors > 5,
      `${sick.readErrors} reads, ${sick.writeErrors} writes failed`,
    )
    t.same(await status(), [200, 'degraded'])
    t.same(tier.store.selfTest(), [])

    Object.assign(illness, WELL)
    await until(() => !figures().offline)
    await hits()
    await tier.store.flush()
    t.ok((await hits()) >= 25, 'what was stored since is found')
    t.same(tier.store.selfTest(), [])
    t.equal(figures().lentBytes, 0)
    const { totalBlocks, liveBlocks, deadBlocks, cleanBlocks, openBlocks } = figures()
    t.equal(liveBlocks + deadBlocks + cleanBlocks + openBlocks, totalBlocks)

    await proxy.restart()
    await tier.store.recovered
    t.ok((await hits()) >= 25, 'and found after a restart')
  })
}
