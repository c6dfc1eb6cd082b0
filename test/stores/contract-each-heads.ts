import type { Test } from 'tap'
import type { Head } from '../../lib/semantics/types.ts'
import type { SliceStore } from '../../lib/stores/store.ts'
import { headOf, sliceOf } from './helpers.ts'

type WithStore = (name: string, run: (t: Test, store: SliceStore) => Promise<void>) => unknown

/** Walks to the end; what was visited last under each key. */
export async function visited(store: SliceStore): Promise<Map<string, readonly Head[]>> {
  const seen = new Map<string, readonly Head[]>()
  await store.eachHeads((key, heads) => void seen.set(key, heads), never)
  return seen
}

export const never = new AbortController().signal

/** What every SliceStore promises of `eachHeads`. A store of several tiers may visit a key once in each. */
export function eachHeadsContract(withStore: WithStore): void {
  withStore('eachHeads in an empty store visits nothing, and says that this is all', async (t, store) => {
    t.ok(await store.eachHeads(() => t.fail('nothing is there'), never))
    store.putSlice('a', 1, 0, sliceOf(1, 1000))
    t.ok(await store.eachHeads(() => t.fail('no heads are there'), never))
  })

  for (const when of ['queued', 'stored', 'some of both']) {
    withStore(`eachHeads visits every key with its heads: ${when}`, async (t, store) => {
      const keys = Array.from({ length: 40 }, (_, i) => `key ${i}`).concat('\u00e9\u{1f600}/../a', 'a', 'a.1')
      for (const [i, key] of keys.entries()) {
        const variants = [headOf(key, 1), headOf(key, 2, { vary: ['accept'], varyValues: ['x'] })]
        store.putHeads(key, i % 2 === 0 ? variants : [variants[0]])
        for (const index of [0, 1]) store.putSlice(key, 1, index, sliceOf(index, 100))
        if (when === 'some of both' && i === 20) await store.flush()
      }
      store.putHeads('gone', [headOf('gone', 1)])
      void store.drop('gone')
      if (when === 'stored') await store.flush()
      const seen = await visited(store)
      t.same([...seen.keys()].sort(), [...keys].sort())
      for (const key of keys) t.same(seen.get(key), await store.getHeads(key), key)
      t.ok(await store.eachHeads(() => {}, never), 'and says so')
    })
  }

  withStore('eachHeads awaits each visit, and gives others their turn', async (t, store) => {
    const keys = Array.from({ length: 100 }, (_, i) => `key ${i}`)
    for (const key of keys) store.putHeads(key, [headOf(key, 1)])
    let turns = 0
    let walking = true
    const count = () => {
      turns++
      if (walking) setImmediate(count)
    }
    setImmediate(count)
    let open = 0
    let mostOpen = 0
    await store.eachHeads(async () => {
      mostOpen = Math.max(mostOpen, ++open)
      // However busy the machine is, so many visits take far more than a millisecond together.
      for (const started = performance.now(); performance.now() - started < 0.2; );
      await Promise.resolve()
      open--
    }, never)
    walking = false
    t.equal(mostOpen, 1)
    t.ok(turns >= 10, `${turns} turns`)
  })

  withStore('eachHeads ends when it is aborted', async (t, store) => {
    for (let i = 0; i < 20; i++) store.putHeads(`key ${i}`, [headOf('a', 1)])
    await store.flush()
    const abort = new AbortController()
    let visits = 0
    const all = await store.eachHeads(() => {
      if (++visits === 3) abort.abort()
    }, abort.signal)
    t.equal(visits, 3)
    t.notOk(all)
    t.notOk(await store.eachHeads(() => t.fail('aborted before'), abort.signal))
  })

  withStore('eachHeads is no look-up and no use', async (t, store) => {
    for (let i = 0; i < 5; i++) store.putHeads(`key ${i}`, [headOf('a', 1)])
    for (const when of ['queued', 'stored']) {
      const { lookups, hits, stores, readBytes } = store.stats()
      await visited(store)
      const after = store.stats()
      t.same(
        [after.lookups, after.hits, after.stores, after.readBytes],
        [lookups, hits, stores, readBytes],
        when,
      )
      await store.flush()
    }
  })

  for (const when of ['queued', 'stored']) {
    withStore(`eachHeads while entries come, change and go: ${when}`, async (t, store) => {
      const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`)
      for (const [i, key] of keys.entries()) {
        store.putHeads(key, [headOf(key, 1)])
        // Objects with and without slices lie in different places of an index.
        if (i % 4 < 2) store.putSlice(key, 1, 0, sliceOf(1, 100))
      }
      if (when === 'stored') await store.flush()
      const dropped = new Set<string>()
      const seen = new Map<string, number>()
      let visits = 0
      const all = await store.eachHeads(async (key, heads) => {
        t.notOk(dropped.has(key), `${key} was dropped before`)
        seen.set(key, heads[0].generation)
        visits++
        if (visits === 5) {
          for (const [i, each] of keys.entries()) {
            if (i % 2 === 0) store.putHeads(each, [headOf(each, 2)])
            else if (!seen.has(each)) {
              void store.drop(each)
              dropped.add(each)
            }
          }
          store.putHeads('new', [headOf('new', 1)])
        }
        if (visits === 10) await store.flush()
      }, never)
      t.ok(all)
      for (const [i, key] of keys.entries()) {
        if (i % 2 === 0) t.ok(seen.get(key) === 2 || visitedBefore(seen, key), `${key} as it was then`)
        else t.equal(seen.has(key), !dropped.has(key), key)
      }
    })
  }

  withStore('who visits may change what is visited', async (t, store) => {
    for (let i = 0; i < 30; i++) {
      store.putHeads(`key ${i}`, [headOf('a', 1), headOf('a', 2)])
      store.putSlice(`key ${i}`, 1, 0, sliceOf(1, 100))
    }
    await store.flush()
    await store.eachHeads(async (key, heads) => {
      if (heads.length === 2) store.putHeads(key, heads.slice(1))
      if (key.endsWith('7')) await store.drop(key)
    }, never)
    await store.flush()
    const seen = await visited(store)
    t.equal(seen.size, 27)
    for (const heads of seen.values()) t.equal(heads.length, 1)
  })
}

/** Five keys had been visited when all others were written anew. */
function visitedBefore(seen: Map<string, number>, key: string): boolean {
  return [...seen.keys()].indexOf(key) < 5
}
