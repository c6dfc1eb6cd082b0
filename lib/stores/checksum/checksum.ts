import { keyBytes } from './definition.ts'
import { plainSum } from './plain.ts'
import { checksumProgram, ROOM_BYTES, SUM_AT } from './program.ts'
import { type WasmMemory, wasm } from './wasm.ts'

/** Bytes of a sum. */
export const SUM_BYTES = 8
/** Most bytes that are summed at once where they do not lie in memory that `sumsIn` was told of. */
export const MOST_COPIED = 65536
/** What `sumsIn` needs of a memory. */
export { ROOM_BYTES } from './program.ts'

type Run = (at: number, length: number, seed: number, room: number) => void

/** What sums the bytes of one memory. */
interface Summer {
  run: Run
  room: number
  /** The result of the latest run. */
  sum: Buffer
}

/** By the memory's buffer; null until the first sum of it. */
const memories = new WeakMap<ArrayBufferLike, { memory: WasmMemory; room: number; summer: Summer | null }>()
let module: object | null | undefined
let inbox: { summer: Summer; bytes: Buffer } | undefined

/**
 * What lies in this memory is summed where it lies from now on. The memory must never grow.
 *
 * @param room address of `ROOM_BYTES` in it that nobody else uses
 */
export function sumsIn(memory: WasmMemory, room: number): void {
  memories.set(memory.buffer, { memory, room, summer: null })
}

/**
 * Writes the 8 bytes of the checksum of `bytes` (definition.ts) to `into` at `at`. What does not lie in a known memory is
 * copied: RangeError for more than `MOST_COPIED` of that.
 *
 * @param seed u32
 */
export function writeSum(bytes: Buffer, seed: number, into: Buffer, at: number): void {
  const sum = sumOf(bytes, seed)
  into.writeUInt32LE(sum.readUInt32LE(0), at)
  into.writeUInt32LE(sum.readUInt32LE(4), at + 4)
}

/** Whether the 8 bytes of `sums` at `at` are the checksum of `bytes`. */
export function sumHolds(bytes: Buffer, seed: number, sums: Buffer, at: number): boolean {
  return isAt(sumOf(bytes, seed), sums, at)
}

function isAt(sum: Buffer, sums: Buffer, at: number): boolean {
  return sum.readUInt32LE(0) === sums.readUInt32LE(at) && sum.readUInt32LE(4) === sums.readUInt32LE(at + 4)
}

/** Whether the sums of each 64 KiB of `bytes` are those that `sums` has from `at` on. */
export function sumsHold(bytes: Buffer, seed: number, sums: Buffer, at: number): boolean {
  for (let from = 0, sumAt = at; from < bytes.length; from += MOST_COPIED, sumAt += SUM_BYTES) {
    const sum = sumOf(bytes, seed, from, Math.min(from + MOST_COPIED, bytes.length))
    if (!isAt(sum, sums, sumAt)) return false
  }
  return true
}

/**
 * Writes the 8 bytes of the checksum of what lies in several Buffers, of any lengths: the sum of the sums, one after the other, of each
 * 64 KiB of it.
 */
export function writeSumOfParts(parts: readonly Buffer[], into: Buffer, at: number): void {
  let length = 0
  for (const part of parts) length += part.length
  const sums = Buffer.alloc(Math.ceil(length / MOST_COPIED) * SUM_BYTES)
  let summed = 0
  let waiting = 0
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const to = Math.min(from + MOST_COPIED - waiting, part.length)
      const isLast = summed * MOST_COPIED + waiting + to - from === length
      const isWhole = waiting === 0 && (isLast || to - from === MOST_COPIED)
      if (isWhole) writeSum(part.subarray(from, to), 0, sums, summed++ * SUM_BYTES)
      else {
        // Less than a piece, or the rest of one: pieces do not end where parts do.
        waiting += part.copy(joined, waiting, from, to)
        if (isLast || waiting === MOST_COPIED) {
          writeSum(joined.subarray(0, waiting), 0, sums, summed++ * SUM_BYTES)
          waiting = 0
        }
      }
      from = to
    }
  }
  writeSum(sums, 0, into, at)
}

const joined = Buffer.allocUnsafeSlow(MOST_COPIED)
const plain = Buffer.alloc(SUM_BYTES)

/** Of a part of `bytes`, by places and not by a Buffer of its own, which would cost as much as the rest. Valid until the next one. */
function sumOf(bytes: Buffer, seed: number, from = 0, to = bytes.length): Buffer {
  module ??= compiled()
  if (module === null) {
    plainSum(bytes.subarray(from, to), seed, plain, 0)
    return plain
  }
  const known = memories.get(bytes.buffer)
  if (known !== undefined) {
    known.summer ??= summerOf(module, known.memory, known.room)
    known.summer.run(bytes.byteOffset + from, to - from, seed, known.summer.room)
    return known.summer.sum
  }
  if (to - from > MOST_COPIED) throw new RangeError(`${to - from} bytes are not summed at once`)
  inbox ??= inboxOf(module)
  bytes.copy(inbox.bytes, 0, from, to)
  inbox.summer.run(0, to - from, seed, inbox.summer.room)
  return inbox.summer.sum
}

/** null: this machine has no SIMD in WebAssembly. */
function compiled(): object | null {
  const program = checksumProgram()
  return wasm.validate(program) ? new wasm.Module(program) : null
}

function summerOf(program: object, memory: WasmMemory, room: number): Summer {
  const bytes = Buffer.from(memory.buffer, room, ROOM_BYTES)
  keyBytes().copy(bytes)
  const { run } = new wasm.Instance(program, { env: { memory } }).exports
  return { run: run as Run, room, sum: bytes.subarray(SUM_AT) }
}

function inboxOf(program: object): { summer: Summer; bytes: Buffer } {
  const memory = new wasm.Memory({ initial: 2, maximum: 2 })
  const summer = summerOf(program, memory, MOST_COPIED)
  return { summer, bytes: Buffer.from(memory.buffer, 0, MOST_COPIED) }
}
