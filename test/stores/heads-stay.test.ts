import t from 'tap'
import { createFileStore } from '../../lib/stores/file/store.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { headOf, scratchDirectory, sliceOf } from './helpers.ts'

for (const name of ['memory', 'file']) {
  t.test(`${name}: while slices of a long transfer still come, its heads are not evicted`, async (t) => {
    const maxBytes = 30 * 16_384
    const store =
      name === 'memory'
        ? createMemoryStore({ maxBytes })
        : await createFileStore({ dir: scratchDirectory(t), maxBytes })
    store.putHeads('long', [headOf('long', 1)])
    for (let turn = 0; turn < 40; turn++) {
      store.putSlice('long', 1, turn, sliceOf(turn, 1000))
      for (let other = 0; other < 3; other++) {
        store.putSlice(`other ${turn} ${other}`, 2, 0, sliceOf(turn, 15_000))
      }
      await store.flush()
    }
    t.ok(store.stats().evictions > 0)
    t.ok(store.hasSlice('long', 1, 39))
    t.same(await store.getHeads('long'), [headOf('long', 1)])
    await store.close()
  })
}
