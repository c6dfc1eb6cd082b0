import type { Test } from 'tap'
import { MAX_SEGMENT, type SliceStore } from '../../lib/stores/store.ts'
import { eachHeadsContract } from './contract-each-heads.ts'
import { bytesOf, headOf, sliceOf } from './helpers.ts'

/** What every SliceStore promises. `open` makes an empty one with room for at least 8 MiB. */
export function contract(t: Test, open: (t: Test) => SliceStore | Promise<SliceStore>): void {
  const withStore = (name: string, run: (t: Test, store: SliceStore) => Promise<void>) =>
    t.test(name, async (t) => {
      const store = await open(t)
      t.teardown(() => store.close())
      await run(t, store)
    })

  withStore('finds nothing in an empty store', async (t, store) => {
    t.equal(await store.getHeads('a'), undefined)
    t.equal(await store.getSlice('a', 1, 0), undefined)
    t.equal(store.stats().entries, 0)
    t.equal(store.stats().bytes, 0)
  })

  withStore('finds heads and slices at once, and again after a flush', async (t, store) => {
    const heads = [headOf('a', 1), headOf('a', 2, { vary: ['accept'], varyValues: ['x'] })]
    const slice = sliceOf(1, 300_000)
    t.ok(store.putHeads('a', heads))
    t.ok(store.putSlice('a', 1, 3, slice))
    for (const when of ['at once', 'after the flush']) {
      t.same(await store.getHeads('a'), heads, when)
      t.same(bytesOf(await store.getSlice('a', 1, 3)), bytesOf(slice), when)
      t.ok(store.hasSlice('a', 1, 3))
      await store.flush()
    }
    t.equal(store.stats().pendingBytes, 0)
    t.ok(store.stats().entries >= 2)
    t.ok(store.stats().bytes > 300_000)
  })

  withStore('gives slices in segments that a stalled client can afford', async (t, store) => {
    store.putSlice('a', 1, 0, sliceOf(1, 1_000_000))
    await store.flush()
    const found = (await store.getSlice('a', 1, 0))!
    t.equal(found.length, 1_000_000)
    t.ok(found.segments.every((each) => each.length <= MAX_SEGMENT))
  })

  withStore('keeps an empty slice', async (t, store) => {
    t.ok(store.putSlice('a', 1, 0, { length: 0, segments: [] }))
    await store.flush()
    t.equal((await store.getSlice('a', 1, 0))?.length, 0)
  })

  withStore('tells keys, generations and indexes apart', async (t, store) => {
    const names: [string, number, number][] = [
      ['a', 1, 11],
      ['a', 11, 1],
      ['a', 111, 0],
      ['a1', 1, 1],
      ['a.1', 1, 1],
      ['\u00e9\u{1f600}/../a', 1, 1],
      ['a', Number.MAX_SAFE_INTEGER, 4_000_000],
    ]
    for (const [at, name] of names.entries()) t.ok(store.putSlice(...name, sliceOf(at, 100)))
    await store.flush()
    for (const [at, name] of names.entries()) {
      t.same(bytesOf(await store.getSlice(...name)), bytesOf(sliceOf(at, 100)), name.join(' '))
    }
    t.equal(await store.getSlice('a', 1, 1), undefined)
  })

  withStore('replaces what is put again', async (t, store) => {
    store.putHeads('a', [headOf('a', 1)])
    store.putSlice('a', 1, 0, sliceOf(1, 5000))
    await store.flush()
    store.putHeads('a', [headOf('a', 2)])
    store.putSlice('a', 1, 0, sliceOf(2, 4000))
    const { entries } = store.stats()
    for (const when of ['at once', 'after the flush']) {
      t.equal((await store.getHeads('a'))?.[0].generation, 2, when)
      t.same(bytesOf(await store.getSlice('a', 1, 0)), bytesOf(sliceOf(2, 4000)), when)
      await store.flush()
    }
    t.equal(store.stats().entries, entries)
  })

  withStore('an empty list of heads removes the entry', async (t, store) => {
    store.putHeads('a', [headOf('a', 1)])
    await store.flush()
    t.ok(store.putHeads('a', []))
    t.equal(await store.getHeads('a'), undefined)
    await store.flush()
    t.equal(await store.getHeads('a'), undefined)
  })

  for (const when of ['queued', 'stored']) {
    withStore(`drop forgets everything that is ${when} under the key and nothing else`, async (t, store) => {
      for (const key of ['a', 'b']) {
        store.putHeads(key, [headOf(key, 1)])
        for (const index of [0, 1, 7]) store.putSlice(key, 1, index, sliceOf(index, 1000))
        store.putSlice(key, 2, 0, sliceOf(9, 1000))
      }
      if (when === 'stored') await store.flush()
      const dropped = store.drop('a')
      t.equal(await store.getHeads('a'), undefined, 'before the promise resolves')
      t.equal(await store.getSlice('a', 1, 7), undefined)
      t.notOk(store.hasSlice('a', 1, 0))
      t.equal(await dropped, 5)
      await store.flush()
      t.equal(await store.getSlice('a', 2, 0), undefined)
      t.ok(await store.getHeads('b'))
      t.ok(await store.getSlice('b', 2, 0))
      t.equal(await store.drop('a'), 0)
    })

    withStore(`dropGeneration forgets the ${when} slices of one generation`, async (t, store) => {
      store.putHeads('a', [headOf('a', 1)])
      store.putSlice('a', 1, 0, sliceOf(1, 1000))
      store.putSlice('a', 2, 0, sliceOf(2, 1000))
      if (when === 'stored') await store.flush()
      store.dropGeneration('a', 1)
      t.equal(await store.getSlice('a', 1, 0), undefined)
      await store.flush()
      t.equal(await store.getSlice('a', 1, 0), undefined)
      t.same(bytesOf(await store.getSlice('a', 2, 0)), bytesOf(sliceOf(2, 1000)))
      t.ok(await store.getHeads('a'))
    })
  }

  withStore('what is put after a drop stays', async (t, store) => {
    for (let round = 1; round <= 20; round++) {
      store.putHeads('a', [headOf('a', round)])
      store.putSlice('a', 1, 0, sliceOf(round, 1000))
      if (round % 3 === 0) await new Promise(setImmediate)
      if (round < 20) void store.drop('a')
    }
    for (const when of ['at once', 'after the flush']) {
      t.equal((await store.getHeads('a'))?.[0].generation, 20, when)
      t.same(bytesOf(await store.getSlice('a', 1, 0)), bytesOf(sliceOf(20, 1000)), when)
      await store.flush()
    }
  })

  eachHeadsContract(withStore)

  withStore('clear forgets all keys', async (t, store) => {
    for (const key of ['a', 'b', 'c']) {
      store.putHeads(key, [headOf(key, 1)])
      store.putSlice(key, 1, 0, sliceOf(1, 1000))
    }
    await store.flush()
    const cleared = store.clear()
    t.equal(await store.getHeads('b'), undefined)
    t.equal(await cleared, 6)
    t.equal(await store.getSlice('c', 1, 0), undefined)
    t.equal(store.stats().entries, 0)
    t.equal(store.stats().bytes, 0)
  })

  withStore('counts what it did', async (t, store) => {
    store.putSlice('a', 1, 0, sliceOf(1, 1000))
    await store.getSlice('a', 1, 0)
    await store.getSlice('a', 1, 1)
    await store.drop('a')
    await store.flush()
    const stats = store.stats()
    t.ok(stats.stores >= 1)
    t.ok(stats.hits >= 1)
    t.ok(stats.lookups > stats.hits)
    t.ok(stats.removes >= 1)
    t.equal(stats.readErrors + stats.writeErrors + stats.corrupt + stats.refused, 0)
  })

  withStore('keeps within its limit and evicts what was used longest ago', async (t, store) => {
    const { maxBytes } = store.stats()
    const size = 200_000
    const count = Math.ceil(maxBytes / size) * 2
    for (let index = 0; index < count; index++) {
      store.putSlice('a', 1, index, sliceOf(index, size))
      t.ok(store.stats().bytes <= maxBytes)
      if (index % 8 === 0) await store.flush()
      if (index > 0) await store.getSlice('a', 1, 0)
    }
    t.ok(store.hasSlice('a', 1, 0), 'the one in use stayed')
    t.ok(store.hasSlice('a', 1, count - 1), 'the latest stayed')
    t.notOk(store.hasSlice('a', 1, 1), 'the oldest left')
    t.ok(store.stats().evictions > 0)
  })
}
