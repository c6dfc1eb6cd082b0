/**
 * As much of the binary format of WebAssembly (https://webassembly.github.io/spec/core/binary/) as one small module needs. Code is
 * a list of bytes; each function here is named after the instruction whose bytes it gives.
 */
export type Code = readonly number[]

export const I32 = 0x7f
export const I64 = 0x7e
export const V128 = 0x7b

/** LEB128, unsigned. */
function unsigned(value: number): Code {
  const low = value & 0x7f
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)]
}

/** LEB128, signed. */
function signed(value: bigint): Code {
  const low = Number(BigInt.asUintN(7, value))
  const rest = value >> 7n
  const isLast = rest === (low & 0x40 ? -1n : 0n)
  return isLast ? [low] : [low | 0x80, ...signed(rest)]
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes]
const text = (value: string): Code => sized([...Buffer.from(value)])
const simd = (opcode: number): Code => [0xfd, ...unsigned(opcode)]
/** Without a promise that addresses are aligned. */
const place = (offset: number): Code => [0, ...unsigned(offset)]

export const get = (local: number): Code => [0x20, ...unsigned(local)]
export const set = (local: number): Code => [0x21, ...unsigned(local)]

/** Runs once, and again whenever `again` is reached in a `when` of it. */
export const loop = (...code: Code[]): Code => [0x03, 0x40, ...code.flat(), 0x0b]
export const again: Code = [0x0c, 1]
/** If the top of the stack is not 0. */
export const when = (...code: Code[]): Code => [0x04, 0x40, ...code.flat(), 0x0b]

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(BigInt(value))],
  eq: [0x46] as Code,
  ne: [0x47] as Code,
  add: [0x6a] as Code,
  and: [0x71] as Code,
}

export const i64 = {
  const: (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))],
  mul: [0x7e] as Code,
  xor: [0x85] as Code,
  shiftRight: [0x88] as Code,
  store: (offset: number): Code => [0x37, ...place(offset)],
}

export const memory = { copy: [0xfc, 10, 0, 0] as Code, fill: [0xfc, 11, 0] as Code }

export const v128 = {
  load: (offset: number): Code => [...simd(0), ...place(offset)],
  zero: [...simd(12), ...Array(16).fill(0)] as Code,
  xor: simd(81),
}

export const i32x4 = { replaceLane: (lane: number): Code => [...simd(28), lane] }

export const i64x2 = {
  splat: simd(18),
  lane: (lane: number): Code => [...simd(29), lane],
  shiftRight: simd(205),
  add: simd(206),
  mul: simd(213),
  /** Products, 64 bits each, of words 0 and 1. */
  mulLow: simd(222),
  /** Of words 2 and 3. */
  mulHigh: simd(223),
}

/**
 * A module with one function, exported as `run`, that works on the memory imported as `env.memory`.
 *
 * @param parameters how many, all of them i32
 * @param locals what follows the parameters: how many of which type
 */
export function moduleOf(
  parameters: number,
  locals: readonly (readonly [number, number])[],
  code: readonly Code[],
): Buffer {
  const section = (id: number, bytes: Code): Code => [id, ...sized(bytes)]
  const body = [...vector(locals.map(([count, type]) => [...unsigned(count), type])), ...code.flat(), 0x0b]
  return Buffer.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, ...vector(Array(parameters).fill([I32])), ...vector([])]])),
    ...section(2, vector([[...text('env'), ...text('memory'), 2, 0, 0]])),
    ...section(3, vector([[0]])),
    ...section(7, vector([[...text('run'), 0, 0]])),
    ...section(10, vector([sized(body)])),
  ])
}
