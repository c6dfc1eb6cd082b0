import { join } from 'node:path'
import t from 'tap'
import { createBans } from '../../../lib/cache/bans/bans.ts'
import { openJournal } from '../../../lib/cache/bans/journal.ts'
import type { Head } from '../../../lib/semantics/types.ts'
import type { HeadsVisitor } from '../../../lib/stores/store.ts'
import { uniqueNow } from '../../../lib/upstream/clock.ts'
import { tempDir } from '../../helpers/scope.ts'
import { until } from '../../helpers/until.ts'
import { headOf } from '../../stores/helpers.ts'

const KEY = '4:http1:a2:/x'

function asked(order: number): Head {
  return { ...headOf(KEY, 1), order }
}

// A clock that was set back makes what is fetched now look older than what was purged before: nothing would be a hit.
t.test('after a restart with the clock set back, what is new is newer than the bans', async (t) => {
  const file = join(tempDir(t), 'bans')
  const { journal } = openJournal(file, () => [])
  const tomorrow = Date.now() + 86_400_000
  await journal.append({ what: { kind: 'all' }, mode: 'gone', time: tomorrow })
  await journal.close()
  const before = uniqueNow()
  const bans = createBans({ file, outlivedByStores: true })
  t.teardown(() => bans.close())
  t.equal(bans.verdict(asked(before))?.mode, 'gone')
  t.equal(bans.verdict(asked(uniqueNow())), null)
})

t.test('a ban is retired only when a sweep has seen everything', async (t) => {
  const bans = createBans({ file: null, outlivedByStores: false, sweepAfter: 5 })
  t.teardown(() => bans.close())
  let walks = 0
  let whole = false
  bans.attach({
    store: {
      async eachHeads(visit: HeadsVisitor) {
        walks++
        await visit(KEY, [])
        return whole
      },
      flush: async () => {},
    },
    oldestAsked: () => Number.POSITIVE_INFINITY,
    settle: async () => 0,
  })
  await bans.ban({ kind: 'all' }, 'gone')
  await until(() => walks >= 3)
  t.match(bans.counts, { inForce: 1, sweeps: 0 })
  whole = true
  await until(() => bans.counts.inForce === 0)
  t.equal(bans.counts.sweeps, 1)
})

t.test('a walk that fails is told, and the next one is made', async (t) => {
  const told: string[] = []
  const log = { info() {}, warn: (_: object, message: string) => void told.push(message) }
  const bans = createBans({ file: null, outlivedByStores: false, sweepAfter: 5, log })
  t.teardown(() => bans.close())
  let walks = 0
  bans.attach({
    store: {
      async eachHeads() {
        if (++walks === 1) throw new Error('broken')
        return true
      },
      flush: async () => {},
    },
    oldestAsked: () => Number.POSITIVE_INFINITY,
    settle: async () => 0,
  })
  await bans.ban({ kind: 'all' }, 'gone')
  await until(() => bans.counts.inForce === 0)
  t.same(told, ['sweeping the stores for what was purged failed'])
})
