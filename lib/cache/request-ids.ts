import { randomFillSync } from 'node:crypto'

/** Made at once: to ask for random bytes and to make text of them costs the same for one as for many. */
const BATCH = 64
const UUID_BYTES = 16
const UUID_LENGTH = 36
const HEX = Buffer.from('0123456789abcdef', 'latin1')
const DASH = 0x2d
/** Bytes in front of which a UUID has a dash (RFC 9562 section 4). */
const DASH_BEFORE: ReadonlySet<number> = new Set([4, 6, 8, 10])

const random = new Uint8Array(BATCH * UUID_BYTES)
const written = Buffer.alloc(BATCH * UUID_LENGTH, DASH)
/** Where the digits of each byte are, in a UUID. */
const places = placesOf()

let batch = ''
let next = BATCH

/** A random UUID (version 4 of RFC 9562), as `randomUUID` makes them: that joins each of twenty pieces, which are joined anew when it is sent. */
export function newRequestId(): string {
  if (next === BATCH) {
    batch = writeBatch()
    next = 0
  }
  const from = next++ * UUID_LENGTH
  return batch.slice(from, from + UUID_LENGTH)
}

function writeBatch(): string {
  randomFillSync(random)
  for (let each = 0; each < BATCH; each++) {
    const from = each * UUID_BYTES
    random[from + 6] = (random[from + 6] & 0x0f) | 0x40 // version
    random[from + 8] = (random[from + 8] & 0x3f) | 0x80 // variant
    for (let i = 0; i < UUID_BYTES; i++) {
      const at = each * UUID_LENGTH + places[i]
      written[at] = HEX[random[from + i] >> 4]
      written[at + 1] = HEX[random[from + i] & 0x0f]
    }
  }
  return written.toString('latin1')
}

function placesOf(): readonly number[] {
  const found: number[] = []
  let at = 0
  for (let i = 0; i < UUID_BYTES; i++) {
    if (DASH_BEFORE.has(i)) at++
    found.push(at)
    at += 2
  }
  return found
}
