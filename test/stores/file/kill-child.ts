/** Writes, replaces and drops entries in the directory given until it is killed. */
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { headOf, sliceOf } from '../helpers.ts'

export const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']
export const SLICES = 4
export const maxBytes = 4 * 1024 * 1024

/** Bytes of a slice, so that the reader of the files can tell whether it is whole. */
export function sizeOf(generation: number, index: number): number {
  return 1 + ((generation * 7919 + index * 104_729) % 150_000)
}

if (process.argv[1] === import.meta.filename) {
  const store = await createFileStore({ dir: process.argv[2], maxBytes })
  for (let round = 0; ; round++) {
    const key = KEYS[round % KEYS.length]
    const generation = Date.now() * 100 + (round % 100)
    if (round % 5 === 0) await store.drop(key)
    store.putHeads(key, [headOf(key, generation)])
    for (let index = 0; index < SLICES; index++) {
      store.putSlice(key, generation, index, sliceOf(generation + index, sizeOf(generation, index)))
    }
    if (round % 10 === 0) {
      await store.flush()
      process.stdout.write('flushed\n')
    }
    await new Promise(setImmediate)
  }
}
