import t from 'tap'
import { until } from '../until.ts'
import { patient, WELL } from './patient.ts'

t.test('a disk that fails every third operation never makes an answer wrong', async (t) => {
  const { illness, load, tier, figures } = await patient(t, 5)
  Object.assign(illness, { reads: 'EIO', writes: 'EIO', share: 1 / 3 })
  for (let turn = 0; turn < 3; turn++) await load()
  t.ok(figures().readErrors > 0 && figures().writeErrors > 0)
  Object.assign(illness, WELL)
  await until(() => !figures().offline)
  await load()
  await tier.store.flush()
  t.same(tier.store.selfTest(), [])
  t.equal(figures().lentBytes, 0)
})

t.test('a disk that fails while the proxy closes does not keep it from closing', async (t) => {
  const { illness, load, proxy } = await patient(t)
  await load()
  Object.assign(illness, { reads: 'EIO', writes: 'EIO' })
  await t.resolves(proxy.close())
})
