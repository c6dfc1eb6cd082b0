import { createHash } from 'node:crypto'
import { MIXED_AFTER, MULTIPLIER, STRIPE } from '../../../lib/stores/checksum/definition.ts'

const u64 = (value: bigint) => BigInt.asUintN(64, value)

/** The checksum written down as its definition says it, step by step. */
export function sumByDefinition(bytes: Buffer, seed: number, key: Buffer): bigint {
  const lanes = [BigInt(seed) + (BigInt(bytes.length) << 32n), ...Array<bigint>(7).fill(0n)]
  const stripes = Math.ceil(bytes.length / STRIPE)
  const padded = Buffer.concat([bytes], stripes * STRIPE)
  const mix = () => {
    for (let i = 0; i < 8; i++) {
      const m = key.readBigUInt64LE(MIXED_AFTER + 8 * i)
      lanes[i] = u64((lanes[i] ^ (lanes[i] >> 47n) ^ m) * MULTIPLIER)
    }
  }
  for (let n = 0; n < stripes; n++) {
    const stripe = padded.subarray(n * STRIPE, (n + 1) * STRIPE)
    const d = (i: number) => stripe.readBigUInt64LE(8 * i)
    const x = (i: number) =>
      BigInt((stripe.readUInt32LE(4 * i) ^ key.readUInt32LE(4 * (16 * (n % 16) + i))) >>> 0)
    for (let i = 0; i < 4; i++) {
      lanes[i] = u64(lanes[i] + d(4 + i) + x(i) * x(4 + i))
      lanes[4 + i] = u64(lanes[4 + i] + d(i) + x(8 + i) * x(12 + i))
    }
    if (n % 16 === 15 || n === stripes - 1) mix()
  }
  let sum = 0n
  for (const lane of lanes) {
    sum = u64((sum ^ lane) * MULTIPLIER)
    sum ^= sum >> 32n
  }
  return sum
}

/** The same bytes for the same name. */
export function bytesNamed(name: string, length: number): Buffer {
  return createHash('shake256', { outputLength: Math.max(length, 1) })
    .update(name)
    .digest()
    .subarray(0, length)
}
