import { createRandom, type Random } from '../../test/helpers/random.ts'

/** What a trace is made of. Requests for the catalogue follow Zipf's law; the rest is what spoils caches in practice. */
export interface TraceOptions {
  seed: number
  requests: number
  /** Objects of the catalogue; their size has nothing to do with how popular they are. */
  objects: number
  /** Zipf's: the object of rank r is asked for in proportion to r to the power of -exponent. CDNs see 0.7 to 1.1. */
  exponent: number
  /** Sizes are log-normal: half of the objects are smaller than `medianBytes`; `sigma` is that of the natural logarithm. */
  medianBytes: number
  sigma: number
  minBytes: number
  maxBytes: number
  /** Share (0 to 1) of requests for objects outside of the catalogue that nobody asks for again. */
  once: number
  /** Crawlers, spread evenly over the trace, that each ask for this many neighbours of the catalogue without a pause. */
  crawls: number
  crawlLength: number
  /** How often, over the whole trace, an object changes its rank with another one; as likely near the top as in the tail. */
  shifts: number
}

/** The objects of a trace are numbers; those of the catalogue come first. */
export interface Trace {
  readonly options: TraceOptions
  /** The object that each request asks for, in order. */
  readonly ids: Uint32Array
  /** Bytes of each object. */
  readonly sizes: Uint32Array
}

export const MIXED: TraceOptions = {
  seed: 6,
  requests: 200_000,
  objects: 100_000,
  exponent: 0.9,
  medianBytes: 8 * 1024,
  sigma: 1.5,
  minBytes: 128,
  maxBytes: 4 * 1024 * 1024,
  once: 0.1,
  crawls: 2,
  crawlLength: 5000,
  shifts: 200,
}

/** The same trace for the same options, on every machine. */
export function createTrace(options: TraceOptions): Trace {
  const { objects, requests, crawls, crawlLength, shifts } = options
  const random = createRandom(options.seed)
  const draw = createZipf(objects, options.exponent)
  const ranked = Uint32Array.from(random.shuffled([...Array(objects).keys()]))
  const ids = new Uint32Array(requests)
  const crawlEvery = crawls === 0 ? requests : Math.floor(requests / crawls)
  const shiftEvery = shifts === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(requests / shifts))
  let nextOnce = objects
  let crawler = 0
  for (let at = 0; at < requests; at++) {
    if (at % shiftEvery === shiftEvery - 1) shift(ranked, random)
    // Each crawl in the middle of its part of the trace, so that there is something to be spoilt before and after it.
    const inCrawl = (at % crawlEvery) - Math.floor((crawlEvery - crawlLength) / 2)
    if (inCrawl === 0) crawler = random.below(objects)
    if (crawls > 0 && inCrawl >= 0 && inCrawl < crawlLength) ids[at] = (crawler + inCrawl) % objects
    else if (random.chance(options.once)) ids[at] = nextOnce++
    else ids[at] = ranked[draw(uniform(random))]
  }
  return { options, ids, sizes: Uint32Array.from({ length: nextOnce }, () => sizeOf(options, random)) }
}

/** What distinguishes one trace from another, for the page that shows what was measured with it. */
export interface TraceFigures {
  /** Different objects asked for, and their bytes: what a cache that never has to evict would hold. */
  distinct: number
  distinctBytes: number
  requestedBytes: number
  /** Objects asked for once only, those of the catalogue included. */
  askedOnce: number
  largestBytes: number
}

export function figuresOf({ ids, sizes }: Trace): TraceFigures {
  const asked = new Uint32Array(sizes.length)
  const figures = { distinct: 0, distinctBytes: 0, requestedBytes: 0, askedOnce: 0, largestBytes: 0 }
  for (const id of ids) {
    asked[id]++
    figures.requestedBytes += sizes[id]
  }
  for (let id = 0; id < sizes.length; id++) {
    if (asked[id] === 0) continue
    figures.distinct++
    figures.distinctBytes += sizes[id]
    if (asked[id] === 1) figures.askedOnce++
    figures.largestBytes = Math.max(figures.largestBytes, sizes[id])
  }
  return figures
}

/** A function from [0, 1) to ranks (0 is the most popular) that follow Zipf's law. */
export function createZipf(count: number, exponent: number): (uniform: number) => number {
  const sums = new Float64Array(count)
  let sum = 0
  for (let rank = 0; rank < count; rank++) sums[rank] = sum += (rank + 1) ** -exponent
  return (uniform) => {
    const wanted = uniform * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (sums[middle] > wanted) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Uniform in the logarithm of the rank: shares of requests change in the head of the distribution as well as in its tail. */
function shift(ranked: Uint32Array, random: Random): void {
  const one = Math.floor(ranked.length ** uniform(random)) - 1
  const other = random.below(ranked.length)
  ;[ranked[one], ranked[other]] = [ranked[other], ranked[one]]
}

function sizeOf({ medianBytes, sigma, minBytes, maxBytes }: TraceOptions, random: Random): number {
  // Box and Muller; 1 - u, because the logarithm of 0 is none.
  const normal = Math.sqrt(-2 * Math.log(1 - uniform(random))) * Math.cos(2 * Math.PI * uniform(random))
  return Math.min(maxBytes, Math.max(minBytes, Math.round(medianBytes * Math.exp(sigma * normal))))
}

const uniform = (random: Random) => random.below(2 ** 32) / 2 ** 32
