import fc from 'fast-check'

/** Visits a copy of `bytes` for each of its bits from byte `from` to byte `to`, with that bit changed. */
export function eachBitFlipped(
  bytes: Buffer,
  from: number,
  to: number,
  visit: (flipped: Buffer, byte: number) => void,
): void {
  const copy = Buffer.from(bytes)
  for (let bit = from * 8; bit < to * 8; bit++) {
    copy[bit >> 3] ^= 1 << (bit & 7)
    visit(copy, bit >> 3)
    copy[bit >> 3] ^= 1 << (bit & 7)
  }
}

/** Any bytes, and undamaged ones with some replaced and the end cut off or padded. */
export function damagedBytes(valid: Buffer): fc.Arbitrary<Buffer> {
  const changes = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 12 })
  const mutated = fc.tuple(changes, fc.nat(valid.length + 64)).map(([changed, length]) => {
    const bytes = Buffer.alloc(length)
    const damaged = Buffer.from(valid)
    for (const [at, byte] of changed) damaged[at] = byte
    damaged.copy(bytes)
    return bytes
  })
  const any = fc.uint8Array({ maxLength: valid.length + 64, size: 'max' }).map((bytes) => Buffer.from(bytes))
  return fc.oneof(mutated, any)
}

export const u8 = fc.nat(0xff)
export const u24 = fc.nat(0xffffff)
export const u32 = fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 0x7fffffff, 0x80000000, 0xffffffff))
export const u53 = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
)
