import t from 'tap'
import { ORIGIN_DOWN_AFTER } from '../../lib/cache/origin-watch.ts'
import { type HealthFacts, healthStatus, ORIGIN_DOWN_FOR, watchGrowth } from '../../lib/health/status.ts'

const well: HealthFacts = {
  originFailuresInARow: 0,
  sinceOriginFailure: 0,
  hasStore: true,
  storeFailing: false,
  underPressure: false,
}

t.test('healthy while the origin answers and the stores work', async (t) => {
  t.equal(healthStatus(well), 'healthy')
  t.equal(healthStatus({ ...well, hasStore: false }), 'healthy', 'a proxy without a store is no worse')
  t.equal(
    healthStatus({ ...well, originFailuresInARow: ORIGIN_DOWN_AFTER - 1 }),
    'healthy',
    'a few failures are no outage',
  )
})

t.test('degraded when the origin is down but a store can answer, or when a store fails', async (t) => {
  t.equal(healthStatus({ ...well, originFailuresInARow: ORIGIN_DOWN_AFTER }), 'degraded')
  t.equal(healthStatus({ ...well, storeFailing: true }), 'degraded')
  t.equal(healthStatus({ ...well, underPressure: true }), 'degraded')
})

t.test('unhealthy when the origin is down and there is no store', async (t) => {
  t.equal(healthStatus({ ...well, originFailuresInARow: ORIGIN_DOWN_AFTER, hasStore: false }), 'unhealthy')
})

// Requests alone find out that it is back, and a balancer sends none to what is not ready.
t.test('an origin is down for as long as its last failure is recent', async (t) => {
  const down = { ...well, originFailuresInARow: ORIGIN_DOWN_AFTER, hasStore: false }
  t.equal(healthStatus({ ...down, sinceOriginFailure: ORIGIN_DOWN_FOR - 1 }), 'unhealthy')
  t.equal(healthStatus({ ...down, sinceOriginFailure: ORIGIN_DOWN_FOR }), 'healthy')
})

t.test(
  'growth is told for the length of the window, and not for what was there before the first look',
  async (t) => {
    const { grew } = watchGrowth(60_000)
    t.equal(grew(7, 0), false)
    t.equal(grew(7, 1_000), false)
    t.equal(grew(8, 2_000), true)
    t.equal(grew(8, 61_999), true)
    t.equal(grew(8, 62_000), false)
    t.equal(grew(9, 70_000), true)
  },
)
