import type { IncomingMessage } from 'node:http'
import { type CacheKeyOptions, cacheKey, parseTarget, type Target } from '../semantics/key.ts'
import type { SliceStore } from '../stores/store.ts'
import type { BanMode } from './bans/ban.ts'
import type { Bans } from './bans/bans.ts'
import type { Context } from './context.ts'
import type { Resources } from './resource.ts'

export interface PurgeOptions {
  /** Only make it stale: what may be served stale while it is revalidated, or when the origin fails, still is. Default false. */
  soft?: boolean
}

/**
 * Purges. In force when a call returns, for what is under way too; each promise resolves when it holds after kill -9. It
 * rejects with the disk's error where it could not be written down: then a restart would lose it.
 */
export interface Purging {
  /** An absolute http(s) URL, all variants. Resolves to how many entries went. @throws TypeError for what is none */
  purge(url: string, how?: PurgeOptions): Promise<number>
  purgeTarget(target: Target, how?: PurgeOptions): Promise<number>
  /** The target of a request as this cache keys it; null when it has no valid one. */
  targetOf(req: IncomingMessage): Target | null
  /** Paths with their query, as `readPattern` reads them, of one host (`host:port`, lower case) or of all (null). */
  purgePaths(pattern: string, host: string | null, how?: PurgeOptions): Promise<void>
  /** Responses with any of these tags: Surrogate-Key, Cache-Tag, Cache-Groups. */
  purgeTags(tags: readonly string[], how?: PurgeOptions): Promise<void>
  /** Everything. Resolves to how many entries there were, 0 when soft. */
  purgeAll(how?: PurgeOptions): Promise<number>
}

export interface PurgingOptions {
  bans: Bans
  resources: Resources
  tiers: readonly SliceStore[]
  key: CacheKeyOptions
  /** Scheme and Host of a request as its client sees them. */
  seenAs(req: IncomingMessage): { scheme: string; host: string | undefined }
}

export function createPurging({ bans, resources, tiers, key: options, seenAs }: PurgingOptions) {
  function keyedAuthority(authority: string): string {
    return options.includeHost ? authority : ''
  }

  /** Where keys lack parameters of the query, nobody can tell those of a pattern: whatever they are is meant. */
  function keyedPattern(pattern: string): string {
    const query = pattern.indexOf('?')
    const isWhole = !options.ignoreQuery && options.queryAllowlist === null
    return isWhole || query === -1 ? pattern : `${pattern.slice(0, query)}*`
  }

  async function purgeKey(key: string, { soft = false }: PurgeOptions = {}): Promise<number> {
    if (!soft) return resources.purge(key)
    await bans.ban([{ kind: 'key', key }], 'stale')
    return resources.settle(key)
  }

  const purging: Purging = {
    async purge(url, how) {
      // As an absolute-form target, so that the path keeps its bytes: URL would normalise them.
      const parsed = parseTarget('GET', url, undefined, /^https:/i.test(url) ? 'https' : 'http')
      if (!parsed.ok || !/^https?:/i.test(url)) throw new TypeError(`not an absolute http(s) URL: ${url}`)
      return purgeKey(cacheKey(parsed, options), how)
    },

    purgeTarget: (target, how) => purgeKey(cacheKey(target, options), how),

    targetOf(req) {
      const { scheme, host } = seenAs(req)
      const parsed = parseTarget('GET', req.url!, host, scheme)
      return parsed.ok ? parsed : null
    },

    purgePaths(text, host, { soft = false } = {}) {
      const authority = host === null ? null : keyedAuthority(host)
      return bans.ban([{ kind: 'paths', authority, pattern: keyedPattern(text) }], modeOf(soft))
    },

    async purgeTags(tags, { soft = false } = {}) {
      const whats = tags.map((tag) => ({ kind: 'tag', tag }) as const)
      await bans.ban(whats, modeOf(soft))
    },

    async purgeAll({ soft = false } = {}) {
      const lasting = bans.ban([{ kind: 'all' }], modeOf(soft))
      if (soft) return lasting.then(() => 0)
      const stored = Math.max(0, ...tiers.map((tier) => tier.stats().entries))
      const removed = resources.purgeAll()
      // To take a million files off a disk takes minutes. With the ban written down nobody need wait for that.
      if (!bans.outlastProcess) return removed
      removed.catch(() => {})
      await lasting
      return stored
    },
  }

  const invalidateGroups: Context['invalidateGroups'] = ({ scheme, authority }, names) => {
    if (names.length === 0) return
    const origin = { kind: 'group', scheme, authority: keyedAuthority(authority) } as const
    const whats = names.map((name) => ({ ...origin, name }))
    // The answer that says so does not wait for the disk; the error is in the log.
    bans.ban(whats, 'invalid').catch(() => {})
  }

  return { ...purging, invalidateGroups }
}

function modeOf(soft: boolean): BanMode {
  return soft ? 'stale' : 'gone'
}
