import { createHash } from 'node:crypto'

/**
 * `length` bytes that look random and are always the same for the same seed (xorshift32, about 2 GB/s).
 * Every offset differs from its neighbours, so that a slice in the wrong place shows.
 */
export function bytesOf(seed: number, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  let x = Math.imul(seed + 1, 0x9e3779b1) | 1
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    words[i] = x
  }
  return Buffer.from(words.buffer, 0, length)
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
