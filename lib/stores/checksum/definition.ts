/**
 * The checksum of a piece of what is on a disk: 64 bits, for damage and not against attackers. After XXH3: eight lanes of
 * 64 bits into which all is added and multiplied, which processors do for 64 bytes at a time. All numbers are unsigned, modulo
 * 2^64 unless it says otherwise, and little-endian.
 *
 * 1. The bytes are cut into stripes of 64, the last one filled up with zeros. A stripe is 16 words of 32 bits, w[0] to w[15],
 *    or 8 words of 64 bits, d[0] to d[7]. Lane 0 begins as the seed (32 bits) + length * 2^32, the others as 0.
 * 2. Stripe n has the key words k[16 * (n mod 16)] and following (32 bits each); x[i] = w[i] xor its key word. For i from 0 to 3:
 *    lane i += d[4 + i] + x[i] * x[4 + i], and lane 4 + i += d[i] + x[8 + i] * x[12 + i].
 * 3. After every 16 stripes, and after the last one, each lane is mixed: lane i = (lane i xor (lane i >> 47) xor m[i]) * MULTIPLIER.
 * 4. The sum begins as 0; for each lane in order: sum = (sum xor lane) * MULTIPLIER, then sum = sum xor (sum >> 32).
 *
 * k and m are the first 1088 bytes of SplitMix64 with the seed 0.
 *
 * Why it finds damage: each word goes into one lane as it is, and into other lanes multiplied by its neighbour, with a key that
 * tells its place. Whatever changes within a half of a stripe, and any burst of up to 64 bits wherever it lies, changes a lane for
 * certain, since what is added as it is meets no product of the same words. All that follows turns different lanes into
 * different lanes, but for step 4, where eight become one: there one damage in 2^64 is lost. With another seed or length, equal bytes
 * have another lane 0 to the end.
 */

export const STRIPE = 64
/** Bytes between two mixings. */
export const MIXED_AFTER = 1024
/** Of k and m together. */
export const KEY_BYTES = MIXED_AFTER + STRIPE
/** 2^64 over the golden ratio, odd: so multiplying loses nothing. */
export const MULTIPLIER = 0x9e37_79b9_7f4a_7c15n

/** k, then m. */
export function keyBytes(): Buffer {
  const bytes = Buffer.alloc(KEY_BYTES)
  let state = 0n
  for (let at = 0; at < KEY_BYTES; at += 8) {
    state = BigInt.asUintN(64, state + MULTIPLIER)
    let word = state
    word = BigInt.asUintN(64, (word ^ (word >> 30n)) * 0xbf58_476d_1ce4_e5b9n)
    word = BigInt.asUintN(64, (word ^ (word >> 27n)) * 0x94d0_49bb_1331_11ebn)
    bytes.writeBigUInt64LE(word ^ (word >> 31n), at)
  }
  return bytes
}
