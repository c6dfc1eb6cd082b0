/**
 * Puts, replaces, reads and drops on a raw disk until it is killed. What it says, a line each:
 * `wrong …` an answer that must not be; `recovered ENTRIES FOUND`; `dropped KEY GENERATION` nothing of the key up to this
 * generation may be found again; `flushed GENERATION ENTRIES` so far everything is on the device.
 */
import { writeSync } from 'node:fs'
import { openRawDisk } from '../../../lib/stores/raw-disk/open.ts'
import { createRawDiskStore, type RawDiskStore } from '../../../lib/stores/raw-disk/store.ts'
import { headOf } from '../helpers.ts'
import { contentOf, isPartOf, noiseSlice } from './content.ts'

export const KEYS = 16
export const SLICES = 3
export const device = { totalSize: 32 * 1024 * 1024, blockSize: 4096, sliceSize: 64 * 1024 }

/** Generations are numbered through all lives; each one belongs to one key. */
export const keyOf = (generation: number): string => `key ${generation % KEYS}`

export interface Orders {
  path: string
  /** The first generation to put, and the oldest one that may still be there. */
  next: number
  oldest: number
  /** By key: nothing up to this generation may be found. */
  floors: Record<string, number>
}

const sizeOf = (generation: number, index: number): number =>
  1 + ((generation * 7919 + index * 104_729) % 65_000)
const seedOf = (generation: number, index: number): number => generation * 4 + index

/** Opens a store as the child does. */
export async function open(path: string): Promise<RawDiskStore> {
  const opened = await openRawDisk({ path, ...device, directIo: true, format: false })
  const memory = { queueBytes: 8 * 1024 * 1024, readBytes: 8 * 1024 * 1024 }
  return createRawDiskStore({ ...opened, ...memory, poison: true, checkpointMs: 60 })
}

/** Asks for everything that may be there; the number of slices found, and what is wrong. */
export async function compare(
  store: RawDiskStore,
  { oldest, next, floors }: Orders,
): Promise<[number, string[]]> {
  const wrong: string[] = []
  let found = 0
  for (let generation = oldest; generation < next; generation++) {
    const key = keyOf(generation)
    for (let index = 0; index < SLICES; index++) {
      if (!store.hasSlice(key, generation, index)) continue
      const slice = await store.getSlice(key, generation, index)
      if (slice === undefined) continue
      found++
      const right = contentOf(seedOf(generation, index), sizeOf(generation, index))
      if (!isPartOf(right, slice)) wrong.push(`bytes of ${key} ${generation} ${index}`)
      if (generation <= (floors[key] ?? -1)) wrong.push(`purged ${key} ${generation} ${index}`)
    }
  }
  for (let number = 0; number < KEYS; number++) {
    const generation = (await store.getHeads(keyOf(number)))?.[0].generation
    if (generation === undefined) continue
    found++
    if (keyOf(generation) !== keyOf(number)) wrong.push(`heads of ${generation} for key ${number}`)
    if (generation <= (floors[keyOf(number)] ?? -1))
      wrong.push(`purged heads of ${keyOf(number)} ${generation}`)
  }
  return [found, wrong]
}

if (process.argv[1] === import.meta.filename) {
  const say = (line: string) => void writeSync(1, `${line}\n`)
  const orders: Orders = JSON.parse(process.argv[2])
  const store = await open(orders.path)
  const [, early] = await compare(store, orders)
  await store.recovered
  const [found, late] = await compare(store, orders)
  for (const each of [...early, ...late, ...store.selfTest()]) say(`wrong ${each}`)
  say(`recovered ${store.figures().entries} ${found}`)

  for (let generation = orders.next; ; generation++) {
    const key = keyOf(generation)
    store.putHeads(key, [headOf(key, generation)])
    for (let index = 0; index < SLICES; index++) {
      store.putSlice(key, generation, index, noiseSlice(seedOf(generation, index), sizeOf(generation, index)))
    }
    const read = await store.getSlice(keyOf(generation - 5), generation - 5, 1)
    read?.loan?.releaseAll()
    if (generation % 7 === 0) {
      // What is put while the drop is under way stays.
      const dropped = store.drop(key)
      store.putHeads(key, [headOf(key, generation + KEYS)])
      void dropped.then(() => say(`dropped ${key} ${generation}`))
    }
    if (generation % 5 === 0) {
      await store.flush()
      say(`flushed ${generation} ${store.figures().entries}`)
    }
    if (generation % 3 === 0) await new Promise(setImmediate)
  }
}
