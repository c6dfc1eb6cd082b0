import { emptyFigures, type RawDiskFigures } from '../../lib/stores/raw-disk/figures.ts'

/** Figures of a raw disk that has done nothing: everything is 0 or false, but for what the test says. */
export function rawDiskFigures(changes: Partial<RawDiskFigures> = {}): RawDiskFigures {
  return { ...emptyFigures(0), ...changes }
}
