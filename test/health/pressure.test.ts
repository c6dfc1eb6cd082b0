import t from 'tap'
import { createPressureWatch, type Readings } from '../../lib/health/pressure.ts'

const calm: Readings = { delay: 1, percent: 10, rss: 100 }
const none = { maxEventLoopDelay: 0, maxEventLoopPercent: 0, maxRssBytes: 0 }

t.test('each limit is a reason of its own, 0 is none', async (t) => {
  const watch = createPressureWatch()
  watch.look({ delay: 1e9, percent: 100, rss: 1e15 }, none)
  t.same(watch.reasons, [])
  watch.look({ ...calm, rss: 101 }, { maxEventLoopDelay: 1, maxEventLoopPercent: 10, maxRssBytes: 100 })
  t.same(watch.reasons, ['rss'], 'what is as much as allowed is no pressure')
  watch.look(calm, { ...none, maxRssBytes: 100 })
  t.same(watch.reasons, [])
})

// In a test with a thousand stalled clients one pause of a second had the next client refused.
t.test('a delay is pressure when it lasts, not for one pause that is over', async (t) => {
  const watch = createPressureWatch()
  const look = (delay: number) => {
    watch.look({ ...calm, delay }, { ...none, maxEventLoopDelay: 50 })
    return watch.reasons.join()
  }
  t.same([51, Number.POSITIVE_INFINITY].map(look), ['', ''])
  t.same([50, 51, 60].map(look), ['', '', ''], 'what is as much as allowed is no pressure')
  t.same([Number.POSITIVE_INFINITY, 51].map(look), ['event_loop_delay', 'event_loop_delay'])
  t.equal(look(1), '')
})

t.test('an event loop that is busy is pressure only after some time', async (t) => {
  const limits = { ...none, maxEventLoopPercent: 98 }
  const watch = createPressureWatch()
  const look = (percent: number) => {
    watch.look({ ...calm, percent }, limits)
    return watch.reasons.length
  }
  t.same([99, 99, 99, 99].map(look), [0, 0, 0, 0])
  t.same([97, 99, 99, 99, 99].map(look), [0, 0, 0, 0, 0], 'one second of rest')
  t.same([100, 100].map(look), [1, 1])
  t.same([98, 100].map(look), [0, 0])
})
