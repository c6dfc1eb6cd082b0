import type { Counters } from '../cache/counters.ts'
import type { CacheView } from '../cache/view.ts'
import type { ClientCounts } from '../net/client-counts.ts'
import type { RawDiskFigures } from '../stores/raw-disk/figures.ts'
import type { RegionMap } from '../stores/raw-disk/region-map.ts'
import type { SliceStore } from '../stores/store.ts'

/** Where the status is read from. What is not registered is undefined, and may come later. */
export interface StatusSources {
  readonly cache: { readonly counters: Counters; readonly view: CacheView } | undefined
  readonly l1: SliceStore | undefined
  readonly l2: SliceStore | undefined
  readonly rawDisk: { figures(): RawDiskFigures; map(maxCells: number): RegionMap } | undefined
  readonly health: { status(): string; readiness(): string; readonly draining: boolean } | undefined
  readonly pressure: { reasons(): readonly string[] } | undefined
  readonly clients: ClientCounts | undefined
}
