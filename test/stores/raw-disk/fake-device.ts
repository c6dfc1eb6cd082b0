import type { Device } from '../../../lib/stores/raw-disk/device.ts'
import { createRandom } from '../../helpers/random.ts'
import {
  isAligned,
  PAGE,
  type Pages,
  readPages,
  SECTOR,
  tear,
  writePages,
  writeSectors,
} from './fake-pages.ts'

export interface Operation {
  kind: 'read' | 'write' | 'sync'
  position: number
  length: number
  /** Which one of its kind it is, from 1. */
  nth: number
}

/** What becomes of an operation: an error, or it is under way until `release()`. */
export type Fault = 'EIO' | 'ENOSPC' | 'SHORT' | 'hold'

/**
 * A device in memory that is as unkind as devices may be. It takes only what O_DIRECT takes. Operations complete in any
 * order. What was written is durable only once a sync that began later has resolved.
 */
export interface FakeDevice extends Device {
  /** Asked about each operation; undefined: it succeeds. */
  fault: ((operation: Operation) => Fault | undefined) | undefined
  /** Completes what is held. */
  release(): void
  /**
   * The power fails: the device as the next life finds it. Of the writes since the last sync some are there, some are
   * not, some are torn, in any order. This one answers EIO from now on.
   */
  crash(seed: number): FakeDevice
  /** The process is killed: every completed write is there, those under way partly. */
  kill(seed: number): FakeDevice
  /** What no device can make up for: memory that was changed while it was written, writes over each other, use after close. */
  readonly violations: string[]
  readonly counts: { read: number; write: number; sync: number }
  /** Operations under way, held ones included. */
  pending(): number
  /** Turns one bit of what the device holds. */
  flip(position: number, bit: number): void
  /** What it holds now, for `overwrite`. */
  image(): Pages
  /** Puts in place of a page another one, as devices do that lose writes, or write to the wrong place. */
  overwrite(page: number, from: Pages, fromPage?: number): void
}

interface Pending extends Operation {
  buffer: Buffer
  /** What is to be written, as it was when the write began. */
  bytes: Buffer
  /** The last write that had completed when a sync began. */
  mark: number
  fault: Fault | undefined
  resolve(): void
  reject(error: Error): void
}

interface Unsynced {
  number: number
  position: number
  bytes: Buffer
}

/** Byte that a buffer is filled with until what is read has arrived. */
const NOT_YET = 0xee

export function createFakeDevice(options: { size: number; seed?: number; pages?: Pages }): FakeDevice {
  const { size, seed = 1 } = options
  const random = createRandom(seed)
  const durable: Pages = options.pages ?? new Map()
  const current: Pages = new Map(durable)
  let unsynced: Unsynced[] = []
  let completedWrites = 0
  const underWay: Pending[] = []
  const held: Pending[] = []
  const violations: string[] = []
  const counts = { read: 0, write: 0, sync: 0 }
  let closed = false
  let dead = false
  let scheduled = false

  function submit(kind: Operation['kind'], buffer: Buffer, position: number): Promise<void> {
    const nth = ++counts[kind]
    const { length } = buffer
    if (dead) return Promise.reject(failure('EIO'))
    const wrong = kind === 'sync' ? undefined : whatIsWrong(buffer, position)
    if (wrong !== undefined || closed) {
      violations.push(`${kind} of ${length} bytes at ${position}: ${wrong ?? 'after close'}`)
      return Promise.reject(failure(closed ? 'EBADF' : 'EINVAL'))
    }
    const bytes = kind === 'write' ? Buffer.from(buffer) : buffer
    if (
      kind === 'write' &&
      [...underWay, ...held].some((each) => each.kind === 'write' && overlap(each, position, length))
    ) {
      violations.push(`write of ${length} bytes at ${position}: over one that is under way`)
    }
    if (kind === 'read') buffer.fill(NOT_YET)
    return new Promise((resolve, reject) => {
      const fault = fake.fault?.({ kind, position, length, nth })
      const operation = {
        kind,
        position,
        length,
        nth,
        buffer,
        bytes,
        mark: completedWrites,
        fault,
        resolve,
        reject,
      }
      ;(fault === 'hold' ? held : underWay).push(operation)
      schedule()
    })
  }

  function whatIsWrong(buffer: Buffer, position: number): string | undefined {
    if (buffer.length === 0 || position < 0 || position + buffer.length > size) return 'outside of the device'
    if (position % PAGE !== 0 || buffer.length % PAGE !== 0) return 'not aligned'
    return isAligned(buffer) ? undefined : 'memory is not aligned'
  }

  function schedule(): void {
    if (scheduled || underWay.length === 0) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      for (let count = 1 + random.below(underWay.length); count > 0 && underWay.length > 0; count--) {
        finish(underWay.splice(random.below(underWay.length), 1)[0])
      }
      schedule()
    })
  }

  function finish(operation: Pending): void {
    const { kind, position, buffer, bytes, fault } = operation
    const failed = dead ? 'EIO' : fault === 'hold' ? undefined : fault
    if (kind === 'read' && !dead) {
      if (!untouched(buffer)) violations.push(`read at ${position}: its memory was used meanwhile`)
      if (failed === undefined) fill(buffer, position)
    }
    if (kind === 'write' && !dead) {
      if (!bytes.equals(buffer)) violations.push(`write at ${position}: its memory was changed meanwhile`)
      completedWrites++
      const written = failed === undefined ? bytes : partly(bytes, position)
      writePages(current, written, position)
      unsynced.push({ number: completedWrites, position, bytes: written })
    }
    if (kind === 'sync' && failed === undefined) {
      for (const each of unsynced)
        if (each.number <= operation.mark) writePages(durable, each.bytes, each.position)
      unsynced = unsynced.filter((each) => each.number > operation.mark)
    }
    if (failed === undefined) operation.resolve()
    else operation.reject(failure(failed))
  }

  /** What the device holds; where it is being written, of each sector the former bytes or the new ones. */
  function fill(into: Buffer, position: number): void {
    readPages(current, into, position)
    for (const each of [...underWay, ...held]) {
      if (each.kind !== 'write' || !overlap(each, position, into.length)) continue
      const end = Math.min(each.position + each.length, position + into.length)
      for (let at = Math.max(each.position, position); at < end; at += SECTOR) {
        if (random.chance(0.5))
          into.set(each.bytes.subarray(at - each.position, at - each.position + SECTOR), at - position)
      }
    }
  }

  /** What a write that failed leaves on the device. */
  function partly(bytes: Buffer, position: number): Buffer {
    const mixed: Pages = new Map(current)
    writeSectors(mixed, bytes, position, tear(bytes.length, random))
    const result = Buffer.alloc(bytes.length)
    readPages(mixed, result, position)
    return result
  }

  function die(): { position: number; bytes: Buffer }[] {
    const writes = [...underWay, ...held].filter((each) => each.kind === 'write')
    dead = true
    release()
    return writes
  }

  function release(): void {
    underWay.push(...held.splice(0))
    schedule()
  }

  const fake: FakeDevice = {
    path: 'fake',
    size,
    direct: true,
    fault: undefined,
    violations,
    counts,
    release,
    read: (buffer, position) => submit('read', buffer, position),
    write: (buffer, position) => submit('write', buffer, position),
    sync: () => submit('sync', Buffer.alloc(0), 0),
    async close() {
      if (underWay.length + held.length > 0 && !dead) violations.push('close with operations under way')
      if (closed) violations.push('closed twice')
      closed = true
    },
    crash(seed) {
      const random = createRandom(seed)
      const pages = new Map(durable)
      const lost = random.pick([0.1, 0.5, 0.9])
      for (const { position, bytes } of random.shuffled([...unsynced, ...die()])) {
        if (random.chance(lost)) continue
        if (random.chance(0.5)) writePages(pages, bytes, position)
        else writeSectors(pages, bytes, position, tear(bytes.length, random))
      }
      return createFakeDevice({ size, seed, pages })
    },
    kill(seed) {
      const random = createRandom(seed)
      const pages = new Map(current)
      for (const { position, bytes } of random.shuffled(die())) {
        writeSectors(pages, bytes, position, tear(bytes.length, random))
      }
      return createFakeDevice({ size, seed, pages })
    },
    image: () => new Map(current),
    overwrite(page, from, fromPage = page) {
      const bytes = from.get(fromPage) ?? Buffer.alloc(PAGE)
      current.set(page, bytes)
      durable.set(page, bytes)
    },
    pending: () => underWay.length + held.length,
    flip(position, bit) {
      const page = Buffer.from(current.get(Math.floor(position / PAGE)) ?? Buffer.alloc(PAGE))
      page[position % PAGE] ^= 1 << bit
      writePages(current, page, position - (position % PAGE))
      writePages(durable, page, position - (position % PAGE))
    },
  }
  return fake
}

function overlap(write: { position: number; length: number }, position: number, length: number): boolean {
  return write.position < position + length && position < write.position + write.length
}

function untouched(buffer: Buffer): boolean {
  for (let at = 0; at < buffer.length; at += 1021) if (buffer[at] !== NOT_YET) return false
  return true
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: the fake device says so`), { code })
}
