import t from 'tap'
import { watchdogInterval } from '../../life/notify.ts'

t.test('the watchdog is told at half of its time, if it watches this process', async (t) => {
  t.equal(watchdogInterval('30000000', undefined, 7), 15_000)
  t.equal(watchdogInterval('30000000', '7', 7), 15_000)
  t.equal(watchdogInterval('30000000', '8', 7), null)
  t.equal(watchdogInterval(undefined, undefined, 7), null)
  t.equal(watchdogInterval('0', undefined, 7), null)
  t.equal(watchdogInterval('soon', undefined, 7), null)
})
