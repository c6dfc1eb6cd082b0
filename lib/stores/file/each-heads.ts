import { join } from 'node:path'
import type { Head } from '../../semantics/types.ts'
import { type EntryIndex, HEADS } from '../entry-index.ts'
import type { HeadsVisitor } from '../store.ts'
import { createTurns } from '../turns.ts'
import { entryPath, objectOf } from './paths.ts'
import { readHeads } from './read.ts'

/** What the walk must know of the store. */
export interface HeadsSources {
  dir: string
  index: EntryIndex<number>
  /** What is on its way to a path; null: its removal; undefined: nothing. */
  pending(path: string): { id: { key: string }; heads: readonly Head[] | undefined } | null | undefined
  /** What the index has there could not be found, or is not whole. */
  lost(object: string, why: 'absent' | 'damaged'): void
  /** The disk failed to read. */
  failed(): void
}

interface Found {
  key: string
  heads: readonly Head[]
}

/** `SliceStore.eachHeads` over files, once the index knows them all: their keys are in the files only. */
export async function eachHeads(
  sources: HeadsSources,
  visit: HeadsVisitor,
  signal: AbortSignal,
): Promise<boolean> {
  const turn = createTurns()
  let isComplete = true
  for (const object of sources.index.objects()) {
    if (signal.aborted) return false
    const found = await headsOf(sources, object)
    if (signal.aborted) return false
    if (found === 'failed') isComplete = false
    else if (found !== undefined) await visit(found.key, found.heads)
    await turn()
  }
  return isComplete && !signal.aborted
}

/** As they are when it resolves: who visits may write them anew. */
async function headsOf(sources: HeadsSources, object: string): Promise<Found | 'failed' | undefined> {
  const { dir, index, pending, lost, failed } = sources
  const path = entryPath(object, HEADS, 0)
  for (;;) {
    const waiting = pending(path)
    if (waiting) return { key: waiting.id.key, heads: waiting.heads! }
    const entry = index.find(object, HEADS, 0)
    if (entry === undefined) return undefined
    const result = await readHeads(join(dir, path))
    const isOvertaken = index.find(object, HEADS, 0) !== entry || pending(path) !== undefined
    if (isOvertaken) continue
    if (typeof result === 'object') {
      const found = parsed(result.key, result.payload)
      // In a file of another name it would be found by nobody.
      if (found !== undefined && objectOf(result.key) === object) return found
    }
    if (result === 'failed') {
      failed()
      return 'failed'
    }
    lost(object, result === 'absent' ? 'absent' : 'damaged')
    return undefined
  }
}

function parsed(key: string, json: Buffer): Found | undefined {
  try {
    return { key, heads: JSON.parse(json.toString()) }
  } catch {
    return undefined
  }
}
