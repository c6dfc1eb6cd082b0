/** No record: the end of a chain, nothing found. */
export const NONE = -1

/** Records of one chunk, 352 KiB with 11 words: the memory grows in small steps and nothing is ever copied. */
const CHUNK_BITS = 13
const CHUNK_RECORDS = 2 ** CHUNK_BITS

/** Bytes of a typed array besides its elements: resident memory of 100,000 with 500 elements each, Node 26. */
export const ARRAY_OVERHEAD = 450

/**
 * Records of a fixed number of u32 words, in chunks that are added as they are needed and used again after `free`.
 * Ids are small integers from 0 on, and stay the same while their record lives.
 */
export interface Records {
  /** Live records. */
  readonly count: number
  /** Ids that were ever handed out are below this one. */
  readonly top: number
  bytes(): number
  /** A record with arbitrary words. */
  allocate(): number
  free(id: number): void
  isLive(id: number): boolean
  get(id: number, word: number): number
  set(id: number, word: number, value: number): void
  /** The same for a word that holds an id or `NONE`. */
  link(id: number, word: number): number
}

/** `mark` is a word that holds an id or `NONE` in live records; in free ones it tells that they are. */
export function createRecords(words: number, mark: number): Records {
  const FREE = -2
  const nextFree = (mark + 1) % words
  const chunks: Int32Array[] = []
  let count = 0
  let top = 0
  let firstFree = NONE

  function link(id: number, word: number): number {
    return chunks[id >>> CHUNK_BITS][(id & (CHUNK_RECORDS - 1)) * words + word]
  }

  function set(id: number, word: number, value: number): void {
    chunks[id >>> CHUNK_BITS][(id & (CHUNK_RECORDS - 1)) * words + word] = value
  }

  return {
    get count() {
      return count
    },
    get top() {
      return top
    },
    bytes: () => chunks.length * (CHUNK_RECORDS * words * 4 + ARRAY_OVERHEAD),

    allocate() {
      count++
      if (firstFree !== NONE) {
        const id = firstFree
        firstFree = link(id, nextFree)
        set(id, mark, NONE)
        return id
      }
      if (top === chunks.length * CHUNK_RECORDS) chunks.push(new Int32Array(CHUNK_RECORDS * words))
      set(top, mark, NONE)
      return top++
    },

    free(id) {
      count--
      set(id, mark, FREE)
      set(id, nextFree, firstFree)
      firstFree = id
    },

    isLive: (id) => link(id, mark) !== FREE,
    get: (id, word) => link(id, word) >>> 0,
    set,
    link,
  }
}
