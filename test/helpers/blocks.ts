import { BLOCK_BYTES, type MemoryBlock } from '../../lib/stores/memory-block.ts'

/** A block that tells how many hold it. Given back by all, its memory is overwritten: who reads it then reads nonsense. */
export interface CountedBlock extends MemoryBlock {
  readonly holders: number
  /** Whether all who held it have let go. */
  readonly isFree: boolean
}

/** A block that the caller holds. */
export function countedBlock(): CountedBlock {
  const block = {
    bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES),
    holders: 1,
    isFree: false,
    hold() {
      if (block.isFree) throw new Error('held after all had let go')
      block.holders++
    },
    release() {
      if (--block.holders > 0) return
      if (block.isFree) throw new Error('let go of once too often')
      block.isFree = true
      block.bytes.fill(0xdd)
    },
  }
  return block
}
