import { KEY_BYTES, keyBytes, MIXED_AFTER, MULTIPLIER, STRIPE } from './definition.ts'

/** The checksum where there is no WebAssembly with SIMD, in halves of 32 bits: sixty times as dear. */

/** Words of 32 bits: whatever the machine's own order is. */
const KEY = Uint32Array.from({ length: KEY_BYTES / 4 }, (_, i) => keyBytes().readUInt32LE(4 * i))
const MIXING = KEY.subarray(MIXED_AFTER / 4)
const [TIMES_LOW, TIMES_HIGH] = [Number(BigInt.asUintN(32, MULTIPLIER)), Number(MULTIPLIER >> 32n)]

const low = new Uint32Array(8)
const high = new Uint32Array(8)
const words = new Uint32Array(STRIPE / 4)
const keyed = new Uint32Array(STRIPE / 4)
/** The upper half of a product whose lower half is what `multiply` returned. */
let productHigh = 0

/** Writes the 8 bytes of the sum of `bytes` to `into`. */
export function plainSum(bytes: Buffer, seed: number, into: Buffer, at: number): void {
  low.fill(0)
  high.fill(0)
  low[0] = seed
  high[0] = bytes.length
  const end = bytes.length - (bytes.length % STRIPE)
  let keyAt = 0
  for (let from = 0; from < bytes.length; from += STRIPE) {
    addStripe(from < end ? bytes : tailOf(bytes, end), from < end ? from : 0, keyAt)
    keyAt = (keyAt + STRIPE / 4) % (MIXED_AFTER / 4)
    if (keyAt === 0) mix()
  }
  if (keyAt !== 0) mix()
  fold(into, at)
}

function tailOf(bytes: Buffer, from: number): Buffer {
  const stripe = Buffer.alloc(STRIPE)
  bytes.copy(stripe, 0, from)
  return stripe
}

function addStripe(bytes: Buffer, from: number, keyAt: number): void {
  for (let i = 0; i < 16; i++) {
    words[i] = bytes.readUInt32LE(from + 4 * i)
    keyed[i] = words[i] ^ KEY[keyAt + i]
  }
  for (let lane = 0; lane < 8; lane++) {
    const word = 2 * (lane ^ 4)
    add(lane, words[word], words[word + 1])
    const first = lane < 4 ? lane : lane + 4
    add(lane, multiply(keyed[first], keyed[first + 4]), productHigh)
  }
}

function mix(): void {
  for (let i = 0; i < 8; i++) {
    // Shifted by 47 nothing is left for the upper half.
    low[i] ^= (high[i] >>> 15) ^ MIXING[2 * i]
    high[i] ^= MIXING[2 * i + 1]
    times(i)
  }
}

function fold(into: Buffer, at: number): void {
  for (let i = 0; i < 8; i++) {
    if (i > 0) {
      low[i] ^= low[i - 1]
      high[i] ^= high[i - 1]
    }
    times(i)
    low[i] ^= high[i]
  }
  into.writeUInt32LE(low[7], at)
  into.writeUInt32LE(high[7], at + 4)
}

function add(lane: number, addLow: number, addHigh: number): void {
  const sum = low[lane] + addLow
  low[lane] = sum
  high[lane] += addHigh + (sum > 0xffff_ffff ? 1 : 0)
}

/** A lane by the multiplier. */
function times(lane: number): void {
  const upper = Math.imul(low[lane], TIMES_HIGH) + Math.imul(high[lane], TIMES_LOW)
  low[lane] = multiply(low[lane], TIMES_LOW)
  high[lane] = productHigh + upper
}

/** By halves of 16 bits, whose products are safe integers: the lower half of a product of two words. */
function multiply(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16]
  const lowest = a0 * b0
  const middle = a1 * b0 + (lowest >>> 16)
  const other = a0 * b1 + (middle & 0xffff)
  productHigh = a1 * b1 + (middle >>> 16) + (other >>> 16)
  return ((other << 16) | (lowest & 0xffff)) >>> 0
}
