import { attach } from '../../../lib/stores/raw-disk/attach.ts'
import { type Geometry, geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import {
  createRawDiskStore,
  type RawDiskStore,
  type RawDiskStoreOptions,
} from '../../../lib/stores/raw-disk/store.ts'
import type { SlicePart } from '../../../lib/stores/store.ts'
import { headOf } from '../helpers.ts'
import { contentOf, isPartOf, noiseSlice, taken } from './content.ts'
import { createFakeDevice, type FakeDevice } from './fake-device.ts'
import { createLedger, HEADS, type Ledger, type Put } from './ledger.ts'

const MIB = 1024 * 1024

/** What a test may choose of a store; memory is small, and what is given back is overwritten. */
export type StoreChoices = Partial<Omit<RawDiskStoreOptions, 'device' | 'geometry' | 'superblock'>>

export interface BedOptions {
  totalSize: number
  blockSize?: number
  sliceSize?: number
  seed?: number
  store?: StoreChoices
  /** The device fails now and then: what is answered may be lost, and found again. */
  failing?: FakeDevice['fault']
}

/** How a life of the store ends. */
export type Ending = 'close' | 'close, then power failure' | 'kill' | 'crash'

export interface Next {
  wait?: boolean
  fault?: FakeDevice['fault']
  /** Damages `bed.device`, between two lives. */
  before?(): void
}

/** A store on a fake device, and an account of what it may answer. What it answers wrongly is an error at once. */
export interface Bed {
  readonly geometry: Geometry
  readonly ledger: Ledger
  device: FakeDevice
  store: RawDiskStore
  put(key: string, generation: number, index: number, length: number): boolean
  /** @param length additional bytes of the list, about; -1 removes it */
  putHeads(key: string, length: number): boolean
  /** Whether it was found. */
  get(key: string, generation: number, index: number, part?: SlicePart): Promise<boolean>
  /** Undefined: it could not be written down. */
  drop(key: string): Promise<number | undefined>
  dropGeneration(key: string, generation: number): void
  clear(): Promise<number | undefined>
  flush(): Promise<void>
  /** Nothing else has made the store begin one. */
  checkpoint(): Promise<void>
  /** Not one that is under way, which the store takes for this one: it may have synced before what was flushed since. */
  checkpointAnew(): Promise<void>
  /** Reads everything that was ever put; the number of those that were found. */
  getAll(): Promise<number>
  /** Throws when a count does not agree, or when what no device can make up for has happened. */
  check(): void
  /**
   * Ends this life of the store and begins another one.
   * @param next whether it has recovered when the promise resolves (yes), and faults that its recovery meets
   */
  restart(ending: Ending, seed: number, next?: Next): Promise<void>
  close(): Promise<void>
}

export async function createBed(options: BedOptions): Promise<Bed> {
  const { totalSize, blockSize = 4096, sliceSize = 65536, seed = 1 } = options
  const geometry = geometryOf({ totalSize, blockSize, sliceSize })
  const ledger = createLedger()
  /** From then on a miss is final. */
  let recovered = false
  /** Removals of heads that the next flush makes durable. */
  let removals: (() => void)[] = []
  let puts = 0
  let isDamaged = false
  let life = 0

  /** What is answered after the end of a life is an answer to nobody; a removal that could not be written down is none either. */
  async function answer<T>(answered: () => void, promise: Promise<T>): Promise<T | undefined> {
    const asked = life
    try {
      const result = await promise
      if (life === asked) answered()
      return result
    } catch (error) {
      if (!/could not be written/.test((error as Error).message)) throw error
      return undefined
    }
  }

  async function open(device: FakeDevice, { wait = true, fault }: Next): Promise<void> {
    bed.device = device
    bed.store = await openStore(device, geometry, options.store, fault)
    if (options.failing) device.fault = options.failing
    recovered = false
    const whenRecovered = bed.store.recovered.then(() => {
      recovered = options.failing === undefined
    })
    if (wait) await whenRecovered
  }

  async function getHeads(key: string): Promise<boolean> {
    const judge = ledger.ask(key, HEADS, 0)
    const final = recovered
    const found = await bed.store.getHeads(key)
    const json = JSON.stringify(found)
    report(judge(found && ((put) => JSON.stringify(headsFrom(key, put)) === json), final))
    return found !== undefined
  }

  const bed: Bed = {
    geometry,
    ledger,
    device: undefined as unknown as FakeDevice,
    store: undefined as unknown as RawDiskStore,

    put(key, generation, index, length) {
      const put = { seed: ++puts, length }
      const accepted = bed.store.putSlice(key, generation, index, noiseSlice(put.seed, length))
      ledger.put(key, generation, index, put, accepted)
      return accepted
    },

    putHeads(key, length) {
      if (length < 0) {
        removals.push(ledger.removeHeads(key))
        return bed.store.putHeads(key, [])
      }
      const put = { seed: ++puts, length }
      const accepted = bed.store.putHeads(key, headsFrom(key, put))
      ledger.put(key, HEADS, 0, put, accepted)
      return accepted
    },

    async get(key, generation, index, part) {
      if (generation === HEADS) return getHeads(key)
      const judge = ledger.ask(key, generation, index)
      const final = recovered
      const found = await bed.store.getSlice(key, generation, index, part)
      if (found === undefined) report(judge(undefined, final))
      else {
        const copy = { length: found.length, from: found.from, segments: [taken(found)!] }
        report(judge((put) => isPartOf(contentOf(put.seed, put.length), copy, part), final))
      }
      return found !== undefined
    },

    async drop(key) {
      return answer(ledger.drop(key), bed.store.drop(key))
    },

    dropGeneration(key, generation) {
      ledger.dropGeneration(key, generation)
      bed.store.dropGeneration(key, generation)
    },

    async clear() {
      return answer(ledger.clear(), bed.store.clear())
    },

    async flush() {
      const answers = [ledger.flush(), ...removals.splice(0)]
      const all = () => {
        for (const each of answers) each()
      }
      await answer(all, bed.store.flush())
    },

    async checkpointAnew() {
      const asked = life
      await bed.store.checkpoint()
      if (life === asked) await bed.checkpoint()
    },

    async checkpoint() {
      await answer(ledger.checkpoint(), bed.store.checkpoint())
    },

    async getAll() {
      const asked = ledger.names().map(({ key, generation, index }) => bed.get(key, generation, index))
      return (await Promise.all(asked)).filter(Boolean).length
    },

    check() {
      const wrong = [...bed.store.selfTest(), ...bed.device.violations]
      if (wrong.length > 0) throw new Error(wrong.join('; '))
    },

    async restart(ending, seed, next = {}) {
      const old = bed.store
      const oldDevice = bed.device
      if (recovered) ledger.evictions(old.hasSlice)
      if (next.before) isDamaged = true
      const kept = recovered && !isDamaged ? ledger.kept(ending === 'crash' ? 'synced' : 'flushed') : []
      const evictedBefore = old.figures().evictedEntries
      if (ending.startsWith('close')) {
        await within(old.close(), 'close')
        bed.check()
      }
      life++
      const nextDevice =
        ending === 'kill' || ending === 'close' ? oldDevice.kill(seed) : oldDevice.crash(seed)
      removals = []
      if (options.failing) ledger.restart('failed')
      else if (next.before) ledger.restart('damaged')
      else ledger.restart(ending === 'kill' ? 'killed' : ending === 'crash' ? 'crashed' : 'closed')
      if (!ending.startsWith('close')) await within(old.close(), 'close after the end of the device')
      bed.device = nextDevice
      next.before?.()
      await open(nextDevice, next)
      if (next.wait === false) return
      const { evictedEntries, reclaimRuns } = old.figures()
      const evicted = evictedEntries - evictedBefore + bed.store.figures().evictedEntries
      // A copy that reclaim made is not synced before the region that it was in is used again.
      const moved = ending === 'crash' && reclaimRuns > 0
      const missing = kept.filter(({ key, generation, index }) => !bed.store.hasSlice(key, generation, index))
      if (missing.length > 0 && evicted === 0 && !moved) {
        throw new Error(`lost by ${ending}: ${JSON.stringify(missing)}`)
      }
    },

    async close() {
      await within(bed.store.close(), 'close')
      bed.check()
    },
  }

  await open(createFakeDevice({ size: totalSize, seed }), {})
  return bed
}

/** A store on a device, however it was left. */
export async function openStore(
  device: FakeDevice,
  geometry: Geometry,
  choices: StoreChoices = {},
  fault?: FakeDevice['fault'],
): Promise<RawDiskStore> {
  const superblock = await attach(device, geometry, { format: false })
  device.fault = fault
  const small = { queueBytes: 8 * MIB, readBytes: 8 * MIB, poison: true, compression: false, prefetch: false }
  return createRawDiskStore({ device, geometry, superblock, ...small, ...choices })
}

function headsFrom(key: string, { seed, length }: Omit<Put, 'at'>) {
  const fields = ['X-Content', contentOf(seed, length).toString('latin1')]
  return [headOf(key, seed, { fields })]
}

function report(problem: string | undefined): void {
  if (problem !== undefined) throw new Error(problem)
}

/** Rejects when something does not end; a time limit far over what anything takes. */
export async function within<T>(promise: Promise<T>, what: string, milliseconds = 60_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no end`)), milliseconds)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
