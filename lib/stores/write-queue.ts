/**
 * Write-behind for named things: what was put is readable at once and reaches its place in the background.
 *
 * The queue keeps the *wanted* state of each name: a value, or nothing. At most one operation of a name is
 * under way, and the last wish is carried out last, so that a write that was under way when its name was
 * removed is followed by the removal: nothing comes back.
 */

export interface WriteQueueOptions<V> {
  /** Most bytes of values waiting or being written. */
  maxBytes: number
  /** Most writes at once; removals have as many places of their own, so that they never wait for writes. */
  concurrency: number
  /** Brings a value to its place. It counts its own errors and never rejects. `isWanted` turns false when the name got another wish. */
  write(name: string, value: V, isWanted: () => boolean): Promise<void>
  /** Removes what is in the place of a name; true when something was there. Never rejects. */
  remove(name: string): Promise<boolean>
}

/** What shall become of a name. */
interface Wish<V> {
  readonly name: string
  /** Undefined: nothing shall be there. */
  readonly value: V | undefined
  readonly bytes: number
  state: 'waiting' | 'running' | 'replaced'
  /** Called when this wish, or one that replaced it, was carried out or failed; told whether a removal found something. */
  readonly settled: ((found: boolean) => void)[]
}

export interface WriteQueue<V> {
  /** False = full. */
  put(name: string, value: V, bytes: number): boolean
  /** Cancels what waits and removes what is in place. Resolves when that is done: to true when there was something in place. */
  remove(name: string): Promise<boolean>
  /** The same for every value that waits or is being written, without waiting for it. */
  removeAll(): void
  /** The latest wish for a name that is not carried out yet: its value, null for a removal; undefined = none. */
  pending(name: string): V | null | undefined
  /** Bytes waiting or being written. */
  pendingBytes(): number
  /** Resolves when every wish made so far was carried out or failed. */
  flush(): Promise<void>
}

export function createWriteQueue<V>(options: WriteQueueOptions<V>): WriteQueue<V> {
  const latest = new Map<string, Wish<V>>()
  const running = new Map<string, Wish<V>>()
  const waitingWrites = new Set<Wish<V>>()
  const waitingRemovals = new Set<Wish<V>>()
  let writes = 0
  let removals = 0
  let bytes = 0

  function wish(name: string, value: V | undefined, size: number): Wish<V> {
    const before = latest.get(name)
    const after: Wish<V> = { name, value, bytes: size, state: 'waiting', settled: [] }
    bytes += size
    latest.set(name, after)
    if (before?.state === 'waiting') {
      // Whoever waits for the replaced wish waits for this one: only then the name is in no older state.
      after.settled.push(...before.settled)
      bytes -= before.bytes
      waitingWrites.delete(before)
      waitingRemovals.delete(before)
    }
    if (before !== undefined) before.state = 'replaced'
    if (!running.has(name)) wait(after)
    return after
  }

  function wait(wanted: Wish<V>): void {
    const queue = wanted.value === undefined ? waitingRemovals : waitingWrites
    queue.add(wanted)
    startMore()
  }

  function startMore(): void {
    for (const removal of waitingRemovals) {
      if (removals >= options.concurrency) break
      waitingRemovals.delete(removal)
      removals++
      void carryOut(removal).then(() => {
        removals--
        startMore()
      })
    }
    for (const write of waitingWrites) {
      if (writes >= options.concurrency) break
      waitingWrites.delete(write)
      writes++
      void carryOut(write).then(() => {
        writes--
        startMore()
      })
    }
  }

  async function carryOut(wanted: Wish<V>): Promise<void> {
    wanted.state = 'running'
    running.set(wanted.name, wanted)
    let found = false
    if (wanted.value === undefined) found = await options.remove(wanted.name)
    else await options.write(wanted.name, wanted.value, () => latest.get(wanted.name) === wanted)
    running.delete(wanted.name)
    bytes -= wanted.bytes
    const next = latest.get(wanted.name)!
    if (next === wanted) latest.delete(wanted.name)
    else wait(next)
    for (const settled of wanted.settled) settled(found)
  }

  const done = (wanted: Wish<V>) => new Promise<boolean>((resolve) => wanted.settled.push(resolve))

  return {
    put(name, value, size) {
      if (bytes + size > options.maxBytes) return false
      wish(name, value, size)
      return true
    },

    remove(name) {
      const before = latest.get(name)
      return done(before !== undefined && before.value === undefined ? before : wish(name, undefined, 0))
    },

    removeAll() {
      for (const { name, value } of [...latest.values()]) if (value !== undefined) wish(name, undefined, 0)
    },

    pending(name) {
      const wanted = latest.get(name)
      return wanted === undefined ? undefined : (wanted.value ?? null)
    },

    pendingBytes: () => bytes,

    async flush() {
      await Promise.all([...latest.values(), ...running.values()].map(done))
    },
  }
}
