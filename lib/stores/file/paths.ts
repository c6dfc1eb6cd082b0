import { hash } from 'node:crypto'
import { HEADS } from '../entry-index.ts'

/**
 * Where entries lie: `ab/cd/abcd….heads` and `ab/cd/abcd….GENERATION.INDEX.slice`, where abcd… is the SHA-256 of
 * the key. A name is computed from what is asked for, so that lookups work before any index is there; and
 * everything of one object lies in one directory, so that what belongs together is found together.
 */

/** What a file name says. */
export interface EntryName {
  /** SHA-256 of the key in hex: keys come from clients and must not choose file names. */
  object: string
  /** `HEADS` for the list of heads. */
  generation: number
  index: number
}

/** Files are written here first, under names that start with this and end in a counter. */
export const TEMP_DIRECTORY = 'tmp'
export const TEMP_NAME = /^write-[0-9a-f]{12}-\d+$/

const FAN_OUT = /^[0-9a-f]{2}$/
const NAME = /^([0-9a-f]{64})\.(?:(heads)|(0|[1-9]\d{0,15})\.(0|[1-9]\d{0,9})\.slice)$/

let latestKey = ''
let latestObject = hash('sha256', latestKey)

/** SHA-256 of a key. The latest one is remembered: whoever asks for a slice asks for the next one too. */
export function objectOf(key: string): string {
  if (key !== latestKey) {
    latestObject = hash('sha256', key)
    latestKey = key
  }
  return latestObject
}

/** Path of an entry's file inside the cache directory. */
export function entryPath(object: string, generation: number, index: number): string {
  const suffix = generation === HEADS ? 'heads' : `${generation}.${index}.slice`
  return `${directoryOf(object)}/${object}.${suffix}`
}

export function directoryOf(object: string): string {
  return `${object.slice(0, 2)}/${object.slice(2, 4)}`
}

export function isFanOut(name: string): boolean {
  return FAN_OUT.test(name)
}

/** What `name` in fan-out directory `directory` ('ab/cd') is the entry of; undefined when it is not a name of ours. */
export function parseName(directory: string, name: string): EntryName | undefined {
  const parts = NAME.exec(name)
  if (parts === null || directoryOf(parts[1]) !== directory) return undefined
  if (parts[2] !== undefined) return { object: parts[1], generation: HEADS, index: 0 }
  return { object: parts[1], generation: Number(parts[3]), index: Number(parts[4]) }
}
