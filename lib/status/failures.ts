import type { SliceStore } from '../stores/store.ts'
import type { FailureCount } from './growth.ts'
import type { StatusSources } from './sources.ts'

/**
 * What is only counted where it happens: too often, or too deep in a store, to be told of each time. Each store is looked at
 * once: a raw disk of a hundred thousand regions takes a millisecond or two for it.
 */
export function readFailures({ cache, l1, l2, rawDisk }: StatusSources): FailureCount[] {
  const disk = rawDisk?.figures()
  const ofRawDisk = [
    ['raw disk: given up until it answers again', Number(disk?.offline ?? false)],
    ['raw disk: counts that do not agree with the index', disk?.selfTestFailures ?? 0],
  ] as const
  return [
    ...ofStore('memory', l1),
    ...ofStore('disk', l2),
    ['slices that no store took', cache?.counters.slicesNotStored ?? 0] as const,
    ...ofRawDisk,
  ].map(([text, count]) => ({ kind: 'store', text, count }))
}

function ofStore(name: string, store: SliceStore | undefined): (readonly [string, number])[] {
  if (store === undefined) return []
  const { readErrors, writeErrors, corrupt } = store.stats()
  return [
    [`${name}: failed reads`, readErrors],
    [`${name}: failed writes`, writeErrors],
    [`${name}: damaged entries`, corrupt],
  ]
}
