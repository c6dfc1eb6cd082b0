import { bytesOf } from '../../helpers/bytes.ts'
import type { Random } from '../../helpers/random.ts'

/** What an origin has under one path, and the history that tells which answers were right when. Times: performance.now(). */
export interface Resource {
  readonly path: string
  /** Bytes of its first version. */
  readonly size: number
  /** Whether versions differ in length. Most do not: then only the validator tells them apart. */
  readonly resizes: boolean
  readonly validator: 'strong' | 'weak' | 'date' | 'none'
  readonly ranges: boolean
  readonly chunked: boolean
  /** Whether there is another representation for each value of X-Variant. */
  readonly varies: boolean
  /** Seconds of freshness; null = no-store. */
  readonly maxAge: number | null
  readonly mustRevalidate: boolean
  /** Oldest first; the last one is current. */
  versions: Version[]
  /** When it was last purged, or invalidated by a POST: what was current only before may not be served any more. */
  purgedAt: number
}

export interface Version {
  readonly number: number
  /** When it was replaced. */
  until: number
  /** By variant, made when they are asked for. */
  readonly representations: Map<string, Representation>
}

/** One variant of one version. No two have a byte sequence in common. */
export interface Representation {
  readonly bytes: Buffer
  readonly etag: string | null
  readonly lastModified: string | null
}

/** Around the boundaries of slices of 64 KiB, and of several of them. */
const SIZES = [0, 1, 65_535, 65_536, 65_537, 200_000, 400_000, 700_000, 1_000_000, 1_500_000]

export function createResources(random: Random, count: number): Resource[] {
  return Array.from({ length: count }, (_, index) => ({
    path: `/${index}`,
    size: random.pick(SIZES),
    resizes: random.chance(0.2),
    validator: random.pick(['strong', 'strong', 'strong', 'weak', 'date', 'none'] as const),
    ranges: random.chance(0.75),
    chunked: random.chance(0.25),
    varies: random.chance(0.15),
    maxAge: random.pick([null, 0, 2, 2, 600, 600, 600]),
    mustRevalidate: random.chance(0.5),
    versions: [createVersion(1)],
    purgedAt: 0,
  }))
}

function createVersion(number: number): Version {
  return { number, until: Number.POSITIVE_INFINITY, representations: new Map() }
}

export function change(resource: Resource): void {
  const current = resource.versions.at(-1)!
  current.until = performance.now()
  resource.versions.push(createVersion(current.number + 1))
}

/** Milliseconds after which no request that began before a purge is still under way. */
const LONGEST_REQUEST = 60_000

/** @param at when the purge began: what was fetched since may be stored again */
export function purged(resource: Resource, at: number): void {
  resource.purgedAt = Math.max(resource.purgedAt, at)
  resource.versions = resource.versions.filter(({ until }) => until > at - LONGEST_REQUEST)
}

export function representation(resource: Resource, version: Version, variant: string): Representation {
  const { path, size, resizes, validator } = resource
  let made = version.representations.get(variant)
  if (!made) {
    const { number } = version
    const tag = `"${number}${variant}"`
    const date = new Date(Date.UTC(2020, 0) + number * 60_000).toUTCString()
    made = {
      bytes: bytesOf(hash(path + tag), resizes ? size + (number % 3) * 1000 : size),
      etag: validator === 'strong' ? tag : validator === 'weak' ? `W/${tag}` : null,
      lastModified: validator === 'date' ? date : null,
    }
    version.representations.set(variant, made)
  }
  return made
}

function hash(text: string): number {
  let sum = 7
  for (const char of text) sum = (Math.imul(sum, 31) + char.charCodeAt(0)) >>> 0
  return sum
}
