/**
 * The value under which a share of the observations of a histogram lies, as Prometheus' histogram_quantile estimates it:
 * evenly spread within a bucket; of the last, open one nothing is known but where it begins.
 *
 * @param counts of each bucket, not cumulative, one more than there are bounds
 * @param bounds upper ones, rising
 * @returns null when nothing was observed
 */
export function percentile(
  counts: readonly number[],
  bounds: readonly number[],
  share: number,
): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let rank = share * total
  for (const [bucket, bound] of bounds.entries()) {
    const count = counts[bucket]
    if (rank <= count && count > 0) {
      const begin = bucket === 0 ? 0 : bounds[bucket - 1]
      return begin + ((bound - begin) * rank) / count
    }
    rank -= count
  }
  return bounds[bounds.length - 1]
}
