/**
 * Which entries memory keeps: S3-FIFO ("FIFO queues are all you need for cache eviction", SOSP 2023), made aware of sizes.
 *
 * What is new comes into a small queue, a tenth of all. What was asked for there goes on to the main queue when its turn comes,
 * the rest leaves: what is asked for once never costs the main queue anything. There an entry's turn comes again and again, and it
 * stays as long as it was asked for in between. What comes back soon after it left goes to the main queue at once.
 *
 * Sizes: an entry is worth its place if a cache full of entries as large as this one would have found it again. So what comes back
 * counts as soon only if not more entries were evicted meanwhile than there is room for of its size, and an entry much larger
 * than the others has to be asked for more often to stay.
 *
 * A hit is one counter: no list is touched.
 */
import { createGhosts } from './ghosts.ts'
import { createQueue, type Queued } from './queue.ts'

/** Share of all bytes that the small queue may have. */
const SMALL = 0.1
/** Uses are counted up to this; so many times an entry's turn can come before it leaves, if nobody asks for it any more. */
export const MAX_USES = 3
/** Entries that may be spared in a row: one put must not walk through a main queue of a million entries that are all in use. */
const MAX_SPARED = 64
/** Ghosts may take this share of memory. */
const GHOST_SHARE = 1 / 64
/** A small entry may come back after so many times as many evictions as there are entries. */
const GHOST_REACH = 2

export interface Candidate<E> extends Queued<E> {
  /** Times it was asked for since its turn came last, up to MAX_USES. Whoever finds an entry counts it up. */
  uses: number
  /** In the main queue; else in the small one. */
  main: boolean
}

export interface S3Fifo<E> {
  /** Bytes of all entries, and of what is remembered of evicted ones. */
  bytes(): number
  /** Adds a new entry. `name` is a hash of 32 bits by which it is known when it comes back. */
  add(entry: E, name: number): void
  /** Adds an entry in place of one that was removed just now: it is as hot as that one was. */
  replace(entry: E, before: E): void
  remove(entry: E): void
  /** An entry counts for more from now on, or for less. */
  resize(entry: E, bytes: number): void
  /** Evicts until so many bytes fit. */
  makeRoom(bytes: number): void
  clear(): void
}

export interface S3FifoOptions<E> {
  maxBytes: number
  /** Whether others are of no use without this one: then they go first. */
  isNeeded(entry: E): boolean
  /** What a candidate for eviction is remembered by. */
  nameOf(entry: E): number
  /** The entry has left its queue. */
  onEvicted(entry: E): void
}

export function createS3Fifo<E extends Candidate<E>>(options: S3FifoOptions<E>): S3Fifo<E> {
  const { maxBytes, isNeeded, nameOf, onEvicted } = options
  const small = createQueue<E>()
  const main = createQueue<E>()
  const ghosts = createGhosts(maxBytes * GHOST_SHARE)

  const count = () => small.count + main.count
  const held = () => small.bytes + main.bytes
  const bytes = () => held() + ghosts.bytes()

  /** Uses that an entry needs to stay: 1, and more for one that is much larger than the mean. */
  function price(entry: E): number {
    // Half of the entries are heads as a rule: this is about twice and four times the mean of the objects.
    const mean = held() / count()
    if (entry.bytes < 4 * mean) return 1
    return entry.bytes < 8 * mean ? 2 : MAX_USES
  }

  function pay(entry: E): void {
    entry.uses = Math.max(0, entry.uses - price(entry))
  }

  /** Whether an entry that comes back would have been found in a cache full of entries of its size. */
  function comesBackSoon(entry: E, name: number): boolean {
    const age = ghosts.take(name)
    return age !== undefined && age * entry.bytes <= held() && age <= GHOST_REACH * count()
  }

  function insert(entry: E, intoMain: boolean): void {
    entry.main = intoMain
    if (intoMain) main.push(entry)
    else small.push(entry)
  }

  function evict(entry: E): void {
    remove(entry)
    ghosts.expect(count() * GHOST_REACH)
    ghosts.add(nameOf(entry))
    onEvicted(entry)
  }

  function remove(entry: E): void {
    if (entry.main) main.remove(entry)
    else small.remove(entry)
  }

  function evictFromSmall(): void {
    const entry = small.oldest!
    if (entry.uses < price(entry) && !isNeeded(entry)) {
      evict(entry)
      return
    }
    pay(entry)
    small.remove(entry)
    insert(entry, true)
  }

  function evictFromMain(): void {
    let entry = main.oldest!
    for (let spared = 0; spared < MAX_SPARED && (entry.uses > 0 || isNeeded(entry)); spared++) {
      pay(entry)
      main.remove(entry)
      main.push(entry)
      entry = main.oldest!
    }
    // Little else than heads is here: what needs them has come lately.
    if (small.count > 0 && isNeeded(entry)) evictFromSmall()
    else evict(entry)
  }

  return {
    bytes,

    add(entry, name) {
      insert(entry, comesBackSoon(entry, name))
    },

    replace(entry, before) {
      entry.uses = before.uses
      insert(entry, before.main)
    },

    remove,

    resize(entry, bytes) {
      if (entry.main) main.resize(entry, bytes)
      else small.resize(entry, bytes)
    },

    makeRoom(wanted) {
      while (count() > 0 && bytes() + wanted > maxBytes) {
        // What came last may be larger than the share, or heads that wait for their slice: it has not had its chance yet.
        if (main.count === 0 || (small.count > 1 && small.bytes > SMALL * held())) evictFromSmall()
        else evictFromMain()
      }
      if (bytes() + wanted > maxBytes) ghosts.clear()
    },

    clear() {
      small.clear()
      main.clear()
      ghosts.clear()
    },
  }
}
