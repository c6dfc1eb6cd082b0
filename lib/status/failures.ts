import type { SliceStore } from '../stores/store.ts'
import type { FailureCount } from './growth.ts'
import type { StatusSources } from './sources.ts'

/** What is only counted where it happens: too often, or too deep in a store, to be told of each time. */
export function failureCounts(sources: StatusSources): FailureCount[] {
  return [
    ...ofStore('memory', () => sources.l1),
    ...ofStore('disk', () => sources.l2),
    {
      kind: 'store',
      text: 'slices that no store took',
      read: () => sources.cache?.counters.slicesNotStored ?? 0,
    },
    {
      kind: 'store',
      text: 'raw disk: given up until it answers again',
      read: () => Number(sources.rawDisk?.figures().offline ?? false),
    },
    {
      kind: 'store',
      text: 'raw disk: counts that do not agree with the index',
      read: () => sources.rawDisk?.figures().selfTestFailures ?? 0,
    },
  ]
}

function ofStore(name: string, store: () => SliceStore | undefined): FailureCount[] {
  const count = (text: string, field: 'readErrors' | 'writeErrors' | 'corrupt'): FailureCount => ({
    kind: 'store',
    text: `${name}: ${text}`,
    read: () => store()?.stats()[field] ?? 0,
  })
  return [
    count('failed reads', 'readErrors'),
    count('failed writes', 'writeErrors'),
    count('damaged entries', 'corrupt'),
  ]
}
