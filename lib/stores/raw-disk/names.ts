import { hash } from 'node:crypto'
import { HEADS } from '../entry-index.ts'
import { HEADS_NAME } from './index.ts'

/** What the index knows an object by: the first 64 bits of the SHA-256 of its key, as two unsigned words. */
export interface ObjectName {
  readonly low: number
  readonly high: number
}

let latestKey = ''
let latestName = hashed('')

/** The name of a key. The latest one is remembered: whoever asks for a slice asks for the next one too. */
export function objectName(key: string): ObjectName {
  if (key !== latestKey) {
    latestName = hashed(key)
    latestKey = key
  }
  return latestName
}

function hashed(key: string): ObjectName {
  // As latin1: making a Buffer of the digest takes as long as the digest itself.
  const digest = hash('sha256', key, 'latin1')
  return { low: wordAt(digest, 0), high: wordAt(digest, 4) }
}

/** Four bytes, the first one lowest. */
function wordAt(bytes: string, at: number): number {
  const low = bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8)
  const high = bytes.charCodeAt(at + 2) | (bytes.charCodeAt(at + 3) << 8)
  return (low | (high << 16)) >>> 0
}

/**
 * A generation as one word for the index. Two generations of a key that share a word are told apart when their
 * entry is read: its header has the whole number.
 */
export function generationWord(generation: number): number {
  if (generation === HEADS) return HEADS_NAME
  const low = generation % 0x1_0000_0000
  const high = (generation - low) / 0x1_0000_0000
  const word = Math.imul(low ^ Math.imul(high + 0x9e37_79b9, 0x85eb_ca6b), 0xc2b2_ae35)
  const mixed = (word ^ (word >>> 15)) >>> 0
  return mixed === HEADS_NAME ? 0 : mixed
}
