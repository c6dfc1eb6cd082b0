import { readFileSync, writeFileSync } from 'node:fs'
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
    heed() {},
    settle: async () => 0,
  })
  await bans.ban([{ kind: 'all' }], 'gone')
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
    heed() {},
    settle: async () => 0,
  })
  await bans.ban([{ kind: 'all' }], 'gone')
  await until(() => bans.counts.inForce === 0)
  t.same(told, ['sweeping the stores for what was purged failed'])
})

function sweptAtOnce() {
  return { store: { eachHeads: async () => true, flush: async () => {} }, settle: async () => 0, heed() {} }
}

const tag = (name: string) => ({ kind: 'tag', tag: name }) as const

t.test('what a ban means that was retired since may not be kept: it was asked for before', async (t) => {
  const bans = createBans({ file: null, outlivedByStores: false, sweepAfter: 1 })
  t.teardown(() => bans.close())
  bans.attach(sweptAtOnce())
  const before = asked(uniqueNow())
  t.ok(bans.mayKeep(before))
  await bans.ban([tag('x')], 'stale')
  const after = asked(uniqueNow())
  await until(() => bans.counts.inForce === 0)
  t.notOk(bans.mayKeep(before))
  t.ok(bans.mayKeep(after))
})

t.test('a soft ban is no later than the clock says, when that was set back', async (t) => {
  const bans = createBans({ file: null, outlivedByStores: false })
  t.teardown(() => bans.close())
  uniqueNow()
  const real = Date.now
  t.teardown(() => (Date.now = real))
  Date.now = () => real() - 3_600_000
  const head = { ...asked(uniqueNow()), freshUntil: real() + 86_400_000 }
  await bans.ban([{ kind: 'all' }], 'stale')
  t.ok(bans.settled(head)!.freshUntil <= Date.now())
})

// Its order is later than that of any ban now, and when the clock has come to it, it would be served again.
t.test('what was stored by a clock that was ahead is older than a ban', async (t) => {
  const bans = createBans({ file: null, outlivedByStores: false })
  t.teardown(() => bans.close())
  const ahead = asked(Date.now() + 3_600_000)
  t.equal(bans.verdict(ahead), null)
  await bans.ban([{ kind: 'all' }], 'gone')
  t.equal(bans.verdict(ahead)?.mode, 'gone')
})

t.test('many bans of one call are heeded once', async (t) => {
  const bans = createBans({ file: null, outlivedByStores: false })
  t.teardown(() => bans.close())
  let heeded = 0
  bans.attach({ ...sweptAtOnce(), heed: () => heeded++ })
  await bans.ban(
    Array.from({ length: 2000 }, (_, i) => tag(`t${i}`)),
    'gone',
  )
  t.equal(heeded, 1)
})

t.test('a damaged file is repaired by the sweep: the next start purges nothing', async (t) => {
  const file = join(tempDir(t), 'bans')
  const { journal } = openJournal(file, () => [])
  for (const time of [1, 2]) await journal.append({ what: tag('z'), mode: 'gone', time })
  await journal.close()
  writeFileSync(file, readFileSync(file, 'utf8').replace('"z"', '"q"'))
  const first = createBans({ file, outlivedByStores: true, sweepAfter: 1 })
  first.attach(sweptAtOnce())
  t.ok(first.counts.inForce > 0)
  await until(() => readFileSync(file, 'utf8') === 'slicestream bans 1\n')
  await first.close()
  const second = createBans({ file, outlivedByStores: true })
  t.equal(second.counts.inForce, 0)
  await second.close()
})

t.test('bans of the same thing again and again leave a short file, written anew now and then', async (t) => {
  const file = join(tempDir(t), 'bans')
  const bans = createBans({ file, outlivedByStores: true })
  t.teardown(() => bans.close())
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 1100 }, () => bans.ban([tag('x')], 'gone')))
  }
  await bans.ban([tag('y')], 'gone')
  await until(() => readFileSync(file, 'utf8').split('\n').length < 1200)
  t.match(readFileSync(file, 'utf8'), /"tag":"y"/)
})

t.test('a process heeds what another one is told while both serve', async (t) => {
  const file = join(tempDir(t), 'bans')
  const [old, young] = [0, 1].map(() => createBans({ file, outlivedByStores: true }))
  t.teardown(() => Promise.all([old.close(), young.close()]))
  let heeded = 0
  young.attach({ ...sweptAtOnce(), heed: () => heeded++ })
  const head = asked(uniqueNow())
  await old.ban([{ kind: 'all' }], 'gone')
  await until(() => young.verdict(head) !== null)
  t.ok(heeded > 0)
  await young.ban([tag('mine')], 'gone')
  await until(() => old.counts.inForce === 2)
})
