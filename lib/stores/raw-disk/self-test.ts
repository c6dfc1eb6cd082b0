import type { Catalog } from './catalog.ts'
import { CLEAN, OPEN, type Regions } from './regions.ts'
import type { Writer } from './writer.ts'

/**
 * Compares the counts of blocks with what the index and the writer really hold.
 * @returns a sentence for each thing that does not agree
 */
export function selfTest(regions: Regions, catalog: Catalog, writer: Pick<Writer, 'reserved'>): string[] {
  const wrong: string[] = []
  const { index } = catalog
  let entries = 0
  for (let region = 0; region < regions.count; region++) {
    const ids = index.ofRegion(region)
    entries += ids.length
    const extents = ids.map((id) => ({ from: index.block(id), to: index.block(id) + index.blocks(id) }))
    extents.sort((a, b) => a.from - b.from)
    const first = region * regions.blocksPerRegion
    const used = regions.used[region]
    const live = extents.reduce((sum, { from, to }) => sum + to - from, 0) + writer.reserved(region)
    if (live !== regions.live[region])
      wrong.push(`region ${region}: ${regions.live[region]} live blocks are counted, ${live} are there`)
    if (live > used) wrong.push(`region ${region}: ${live} live blocks of ${used} used ones`)
    if (regions.state[region] === CLEAN && used > 0)
      wrong.push(`region ${region}: clean with ${used} used blocks`)
    for (let at = 0; at < extents.length; at++) {
      if (extents[at].to > first + used) wrong.push(`region ${region}: an entry lies behind the used blocks`)
      if (at > 0 && extents[at].from < extents[at - 1].to) wrong.push(`region ${region}: two entries overlap`)
    }
  }
  if (entries !== index.count) wrong.push(`${index.count} entries are counted, ${entries} are in regions`)
  const sums = regions.blocks()
  const total = regions.count * regions.blocksPerRegion
  const sum = sums.live + sums.dead + sums.clean + sums.open
  if (sum !== total) wrong.push(`live + dead + clean + open is ${sum}, not ${total}`)
  const open = regions.state.filter((state) => state === OPEN).length
  if (open > 1) wrong.push(`${open} regions are open`)
  return wrong
}
