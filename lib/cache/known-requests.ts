/**
 * What was read of requests, found again by their bytes: clients ask for the same things with the same fields again and again,
 * and reading a request costs more than all else that a hit from memory has to decide.
 *
 * The bytes lie in one array of a fixed size, compared by words of four: no text is made, nothing is allocated.
 */

/** Memory with the bytes of a request at its beginning, seen in two ways. */
export interface RequestMemory {
  readonly bytes: Uint8Array
  readonly words: Int32Array
}

export interface KnownRequests<Read> {
  /** @param length bytes of the request; up to three bytes behind them are overwritten */
  find(memory: RequestMemory, length: number): Read | undefined
  /** Longer ones than {@link LONGEST} are not remembered. */
  remember(memory: RequestMemory, length: number, read: Read): void
}

/** Bytes of a request: browsers send 300 to 800, without cookies. */
export const LONGEST = 1024
/** Together 4 MiB, of which the system gives what is used. */
const PLACES = 4096
const WAYS = 4
const WORDS = LONGEST / 4

export function createKnownRequests<Read>(): KnownRequests<Read> {
  const texts = new Int32Array(PLACES * WORDS)
  /** 0 = the place is free. */
  const lengths = new Int32Array(PLACES)
  const hashes = new Int32Array(PLACES)
  const reads: (Read | undefined)[] = new Array(PLACES).fill(undefined)
  /** Which place of its bucket is overwritten next. */
  const next = new Uint8Array(PLACES / WAYS)

  function isAt(place: number, words: Int32Array, count: number): boolean {
    const start = place * WORDS
    for (let i = 0; i < count; i++) if (texts[start + i] !== words[i]) return false
    return true
  }

  function placeOf(words: Int32Array, length: number, hash: number): number {
    const first = bucketOf(hash) * WAYS
    for (let place = first; place < first + WAYS; place++) {
      const isLikely = hashes[place] === hash && lengths[place] === length
      if (isLikely && isAt(place, words, (length + 3) >> 2)) return place
    }
    return -1
  }

  return {
    find(memory, length) {
      if (length > LONGEST) return undefined
      const place = placeOf(memory.words, length, hashOf(memory, length))
      return place === -1 ? undefined : reads[place]
    },

    remember(memory, length, read) {
      if (length > LONGEST) return
      const { words } = memory
      const hash = hashOf(memory, length)
      let place = placeOf(words, length, hash)
      if (place === -1) {
        const bucket = bucketOf(hash)
        place = bucket * WAYS + next[bucket]
        next[bucket] = (next[bucket] + 1) % WAYS
        for (let i = 0; i < (length + 3) >> 2; i++) texts[place * WORDS + i] = words[i]
        lengths[place] = length
        hashes[place] = hash
      }
      reads[place] = read
    },
  }
}

const bucketOf = (hash: number) => (hash >>> 0) % (PLACES / WAYS)

/** Not against whoever means to make two of the same: those two take the place of each other, and are read each time. */
function hashOf({ bytes, words }: RequestMemory, length: number): number {
  // Of the last word only what belongs to the request counts.
  for (let i = length; (i & 3) !== 0; i++) bytes[i] = 0
  let hash = length
  for (let i = 0; i < (length + 3) >> 2; i++) {
    hash = Math.imul(hash ^ words[i], 0x9e3779b1)
    // A product takes nothing from higher bits to lower ones.
    hash ^= hash >>> 15
  }
  return hash
}
