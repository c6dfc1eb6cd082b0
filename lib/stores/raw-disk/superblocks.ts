import type { Slab } from '../slabs.ts'
import type { Device } from './device.ts'
import { encodeSuperblock, SUPERBLOCK_BYTES, type Superblock } from './format/superblock.ts'
import type { Geometry } from './geometry.ts'

/** The superblock as it is on the device. */
export interface Superblocks {
  readonly current: Superblock
  /**
   * Writes both copies, one after the other, each made durable: at any moment one of them is whole, and when it resolves
   * either one will do if the other is damaged later. Calls take turns.
   */
  write(changes: Partial<Superblock>): Promise<void>
}

/** Tries a device out: rejects unless it can be written to and read from. */
export async function probe(
  device: Device,
  geometry: Geometry,
  memory: Slab,
  state: Superblock,
): Promise<void> {
  await createSuperblocks(device, geometry, memory, state).write({})
  const buffer = await memory.wait(SUPERBLOCK_BYTES)
  try {
    await device.read(buffer.subarray(0, SUPERBLOCK_BYTES), geometry.superblocks[0])
  } finally {
    memory.give(buffer)
  }
}

export function createSuperblocks(
  device: Device,
  geometry: Geometry,
  memory: Slab,
  initial: Superblock,
): Superblocks {
  let current = initial
  let last: Promise<unknown> = Promise.resolve()

  async function write(changes: Partial<Superblock>): Promise<void> {
    const next = { ...current, ...changes, serial: current.serial + 1 }
    const buffer = await memory.wait(SUPERBLOCK_BYTES)
    try {
      encodeSuperblock(next).copy(buffer)
      for (const position of geometry.superblocks) {
        await device.write(buffer.subarray(0, SUPERBLOCK_BYTES), position)
        await device.sync()
        // From the first copy on it counts, whatever becomes of the other one.
        current = next
      }
    } finally {
      memory.give(buffer)
    }
  }

  return {
    get current() {
      return current
    },
    write(changes) {
      const done = last.then(() => write(changes))
      last = done.catch(() => {})
      return done
    },
  }
}
