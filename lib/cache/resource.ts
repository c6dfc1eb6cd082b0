import type { Head } from '../semantics/types.ts'
import { selectingValues, variantKey } from '../semantics/vary.ts'
import type { Run } from '../slices/arithmetic.ts'
import type { Fill } from '../slices/fill.ts'
import type { TieredStore } from '../stores/tiered.ts'
import type { Bans } from './bans/bans.ts'
import { createBusyMap } from './busy-map.ts'
import type { Exchange } from './context.ts'
import type { Counters } from './counters.ts'
import type { Fetch } from './fetch.ts'
import { type Few, NONE, withOne, without } from './few.ts'

/** Variants of one key that are kept; of more, the oldest goes (varnish#1120 shows why there is a limit). */
const MAX_VARIANTS = 16

/** An upstream request for a run of slices of one generation, from before it is sent until its fill has ended. */
export interface SliceTransfer {
  readonly generation: number
  readonly run: Run
  /** Null until the origin's answer was accepted. */
  fill: Fill | null
  /** The fill once it is accepted; rejects when the origin fails or no longer has this representation. */
  readonly ready: Promise<Fill>
}

/** The upstream request that will tell what a key is, while others wait for its answer. */
export interface HeadFetch {
  /** From {@link variantGuess}. */
  readonly variant: string
  /** Requests that have not let go of it: when the last one does, it is released. */
  waiters: number
  readonly fetch: Fetch
}

/**
 * What is going on with one key: kept while requests or transfers are active on it, and while it is, its
 * heads are the truth that the stores follow. Otherwise the stores alone know the key.
 */
export interface Resource {
  readonly key: string
  /** Null until they were read from the stores. Holds heads of transfers under way that no store has yet. */
  heads: readonly Head[] | null
  /** One for each variant at most. */
  headFetches: Few<HeadFetch>
  transfers: Few<SliceTransfer>
  /** Raised by every purge: what was begun before is not stored. */
  epoch: number
  /** Requests that use this object. */
  users: number
  /** Responses being sent, by generation, null before the first; and replaced generations that are forgotten when nobody needs them any more. */
  reading: Map<number, number> | null
  replaced: Few<number>
  /** Generations that no store may know before their transfer is complete: they could not be completed later. */
  incomplete: Few<number>
}

export interface Resources {
  /** The active resource of a key, if there is one. */
  peek(key: string): Resource | undefined
  /** Makes the key active; each call needs one `release`. */
  acquire(key: string): Resource
  release(resource: Resource): void
  /** Reads the heads, from the stores the first time, as the bans leave them. */
  heads(resource: Resource): readonly Head[] | Promise<readonly Head[]>
  /** Adds a head, in place of another of its variant; `stored` false keeps it from the stores for now. */
  publish(resource: Resource, head: Head, stored: boolean): void
  /** Forgets one representation (it changed at the origin, or never became whole). */
  forget(resource: Resource, head: Head): void
  /** Counts a response that reads a generation; the result ends it. */
  reading(resource: Resource, generation: number): () => void
  /** Releases what a finished transfer held. */
  transferEnded(resource: Resource, transfer: SliceTransfer): void
  /** Something was banned just now: what is under way is older. */
  heedBans(): void
  /** Has the stores hold of a key what the bans leave of it. Resolves to how many heads that changed. */
  settle(key: string): Promise<number>
  purge(key: string): Promise<number>
  purgeAll(): Promise<number>
}

export function createResources(store: TieredStore, counters: Counters, bans: Bans): Resources {
  const active = createBusyMap<string, Resource>()

  function acquire(key: string): Resource {
    let resource = active.get(key)
    if (!resource) {
      resource = {
        key,
        heads: null,
        headFetches: NONE,
        transfers: NONE,
        epoch: 0,
        users: 0,
        reading: null,
        replaced: NONE,
        incomplete: NONE,
      }
      active.set(key, resource)
    }
    resource.users++
    return resource
  }

  function releaseIfIdle(resource: Resource): void {
    if (resource.users > 0 || resource.transfers.length > 0) return
    // A purge may have made this one idle before its last transfer ended: the key can have another by now.
    if (active.get(resource.key) === resource) active.delete(resource.key)
  }

  function release(resource: Resource): void {
    resource.users--
    releaseIfIdle(resource)
  }

  function dropGeneration(resource: Resource, generation: number): void {
    if (!inUse(resource, generation)) store.dropGeneration(resource.key, generation)
    else if (!resource.replaced.includes(generation))
      resource.replaced = withOne(resource.replaced, generation)
  }

  function dropIfUnused(resource: Resource, generation: number): void {
    if (!resource.replaced.includes(generation) || inUse(resource, generation)) return
    resource.replaced = without(resource.replaced, generation)
    store.dropGeneration(resource.key, generation)
  }

  function setHeads(resource: Resource, heads: Head[]): void {
    const { incomplete } = resource
    const known = (resource.heads ?? []).some((head) => !incomplete.includes(head.generation))
    resource.heads = heads
    const whole =
      incomplete.length === 0 ? heads : heads.filter((head) => !incomplete.includes(head.generation))
    if (whole.length > 0 || known) store.putHeads(resource.key, whole)
  }

  /** Invariant 8: what is under way goes on for its readers, but leaves nothing behind. */
  function cutOff(resource: Resource): void {
    resource.epoch++
    resource.heads = []
    resource.headFetches = NONE
    for (const transfer of resource.transfers) transfer.fill?.stopStoring()
    resource.transfers = NONE
    resource.incomplete = NONE
    releaseIfIdle(resource)
  }

  function forget(resource: Resource, head: Head): void {
    const kept = (resource.heads ?? []).filter((other) => other.generation !== head.generation)
    if (kept.length === resource.heads?.length) return
    setHeads(resource, kept)
    resource.incomplete = without(resource.incomplete, head.generation)
    for (const transfer of resource.transfers) {
      if (transfer.generation === head.generation) transfer.fill?.stopStoring()
    }
    dropGeneration(resource, head.generation)
  }

  /** What the bans leave of known heads; the stores are told, so that they hold nothing that a forgotten ban would be needed for. */
  function settled(resource: Resource): readonly Head[] {
    for (const head of resource.heads!) {
      const left = bans.settled(head)
      if (left === null) forget(resource, head)
      // Of what is not whole yet its transfer knows this very object.
      else if (left !== head && !resource.incomplete.includes(head.generation)) {
        setHeads(
          resource,
          resource.heads!.map((other) => (other === head ? left : other)),
        )
      }
    }
    return resource.heads!
  }

  function heads(resource: Resource): readonly Head[] | Promise<readonly Head[]> {
    if (resource.heads) return settled(resource)
    const found = store.getHeads(resource.key)
    if (!(found instanceof Promise)) {
      resource.heads = found ?? []
      return settled(resource)
    }
    return found.then((heads) => {
      resource.heads ??= heads ?? []
      return settled(resource)
    })
  }

  return {
    peek: (key) => active.get(key),
    acquire,

    release,

    heads,

    publish(resource, head, stored) {
      const before = resource.heads ?? []
      const variant = variantKey(head)
      const kept = before.filter((other) => {
        // What is not whole yet replaces nothing that is: its transfer may fail.
        const yields =
          stored || other.generation === head.generation || resource.incomplete.includes(other.generation)
        return !yields || variantKey(other) !== variant
      })
      const tooMany = kept.length + 1 - MAX_VARIANTS
      if (tooMany > 0) {
        counters.variantsDropped += tooMany
        kept.splice(0, tooMany)
      }
      if (stored) resource.incomplete = without(resource.incomplete, head.generation)
      else if (!resource.incomplete.includes(head.generation))
        resource.incomplete = withOne(resource.incomplete, head.generation)
      setHeads(resource, [...kept, head])
      // Several variants may share one generation.
      for (const { generation } of before)
        if (!isKnown(resource, generation)) dropGeneration(resource, generation)
    },

    forget,

    reading(resource, generation) {
      resource.users++
      resource.reading ??= new Map()
      const { reading } = resource
      reading.set(generation, (reading.get(generation) ?? 0) + 1)
      return () => {
        const count = reading.get(generation)! - 1
        if (count > 0) reading.set(generation, count)
        else {
          reading.delete(generation)
          dropIfUnused(resource, generation)
        }
        resource.users--
        releaseIfIdle(resource)
      }
    },

    transferEnded(resource, transfer) {
      resource.transfers = without(resource.transfers, transfer)
      dropIfUnused(resource, transfer.generation)
      releaseIfIdle(resource)
    },

    heedBans() {
      for (const resource of active.values()) {
        // What these bring is older than the ban, whatever tags it will turn out to have.
        resource.headFetches = NONE
        if (resource.heads) settled(resource)
      }
    },

    async settle(key) {
      const resource = acquire(key)
      try {
        const before = resource.heads ?? (await store.getHeads(key)) ?? []
        resource.heads ??= before
        const after = settled(resource)
        return before.filter((head) => !after.includes(head)).length
      } finally {
        release(resource)
      }
    },

    purge(key) {
      const resource = active.get(key)
      if (resource) cutOff(resource)
      return store.drop(key).catch(async (error) => {
        // It would come back with the next start, unless a ban says otherwise.
        if (!bans.outlastProcess) throw error
        await bans.ban([{ kind: 'key', key }], 'gone')
        return 0
      })
    },

    purgeAll() {
      for (const resource of active.values()) cutOff(resource)
      return store.clear()
    },
  }
}

/** Whether a response is being sent from a generation, or a transfer still brings it. */
function inUse(resource: Resource, generation: number): boolean {
  if (resource.reading?.has(generation)) return true
  for (const transfer of resource.transfers) if (transfer.generation === generation) return true
  return false
}

function isKnown(resource: Resource, generation: number): boolean {
  return resource.heads?.some((head) => head.generation === generation) ?? false
}

/** Names the variant that a request will probably get, by what the newest stored head varies on. */
export function variantGuess(heads: readonly Head[], request: Pick<Exchange, 'forwarded'>): string {
  const newest = heads.at(-1)
  if (!newest || newest.vary.length === 0) return ''
  return variantKey({ vary: newest.vary, varyValues: selectingValues(newest.vary, request.forwarded()) })
}
