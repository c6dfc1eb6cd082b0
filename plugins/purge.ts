import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { PurgeMethod, PurgeResult } from '../lib/cache/counters.ts'
import type { PurgeOptions } from '../lib/cache/purging.ts'
import { type PurgeSubject, pathSubject, purgeWish, showsToken, tagSubject } from '../lib/purge/request.ts'
import { normaliseAuthority } from '../lib/semantics/key.ts'
import type { Cache } from './decorators.ts'

export interface PurgeSettings {
  /** False: PURGE is answered 405. Default true. */
  enabled?: boolean
  /** Token that a request must show; null = none is asked for: only where nobody but friends can connect. */
  authToken?: string | null
}

/** What `fastify.purge` takes. */
export type PurgeTarget =
  /** Absolute http(s) URL: all variants and slices. */
  | { url: string }
  /** Path from its first slash on: a prefix, or a glob where a `*` stands elsewhere than at the end; of one `host:port`, or of all. */
  | { prefix: string; host?: string }
  /** Tags of Surrogate-Key, Cache-Tag and Cache-Groups. */
  | { tag: string | readonly string[] }
  | { all: true }

/**
 * Purges every cache of the service. In force at once, fills under way included; resolves when it holds after a crash too.
 * Rejects with a TypeError for what names nothing, and with the disk's error where the purge holds but was not written down.
 */
export interface Purge {
  (what: PurgeTarget, how?: PurgeOptions): Promise<{ purged: number }>
  /** Replaces the settings of the PURGE method. @throws TypeError for an empty token; then nothing has changed */
  configure(settings: PurgeSettings): void
  /** What a PURGE that came by another way than the plugin's own route is answered, as JSON. */
  answer(request: FastifyRequest, reply: FastifyReply): Promise<object>
}

declare module 'fastify' {
  interface FastifyInstance {
    purge: Purge
  }
}

const STATUS: Record<PurgeResult, number> = {
  success: 200,
  invalid: 400,
  denied: 401,
  disabled: 405,
  failed: 503,
}

const NOT_WRITTEN = 'in force, but it could not be written to the disk: a restart would lose it; see the log'

/**
 * `PURGE` on the service's port, never forwarded to the origin, and `fastify.purge`: by URL, prefix or glob, tag, and all;
 * soft ones too. Needs `streaming-proxy` or `route-cache`.
 */
const purge: FastifyPluginAsync<PurgeSettings> = async (fastify, options) => {
  let settings = checked(options)

  async function purgeAs(what: PurgeTarget, how?: PurgeOptions): Promise<{ purged: number }> {
    const caches = cachesOf(fastify)
    if ('url' in what)
      return counted(
        'url',
        caches.map((cache) => cache.purge(what.url, how)),
      )
    const subject = subjectOf(what)
    if ('problem' in subject) throw new TypeError(`purge: ${subject.problem}`)
    const hosts = 'host' in what && what.host !== undefined ? authoritiesOf(what.host) : [null]
    return counted(
      subject.method,
      caches.flatMap((cache) => hosts.map((host) => purgeIn(cache, subject, host, how))),
    )
  }

  async function counted(method: PurgeMethod, purges: Promise<number>[]): Promise<{ purged: number }> {
    try {
      const purged = sum(await Promise.all(purges))
      count(method, 'success')
      return { purged }
    } catch (error) {
      // A TypeError is the caller's: it named no target.
      if (!(error instanceof TypeError)) count(method, 'failed')
      throw error
    }
  }

  const configure = (next: PurgeSettings) => void (settings = checked(next))
  // Before the method is added: that brings a `fastify.purge(path, handler)` for routes where the name is free.
  fastify.decorate('purge', Object.assign(purgeAs, { configure, answer }))
  if (!fastify.supportedMethods.includes('PURGE')) fastify.addHttpMethod('PURGE', { hasBody: false })
  fastify.route({ method: 'PURGE', url: '/*', handler: answer })

  async function answer(request: FastifyRequest, reply: FastifyReply) {
    const { rawHeaders, url } = request.raw
    const { enabled = true, authToken = null } = settings
    const wish = purgeWish(rawHeaders, url!)
    const say = (result: PurgeResult, message: string, purged = 0) => {
      count(wish.method, result)
      reply.code(STATUS[result]).header('cache-control', 'no-store')
      return { success: result === 'success', purged_count: purged, url, message }
    }

    if (!enabled) {
      reply.header('allow', 'GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE')
      return say('disabled', 'PURGE is turned off (purge.enabled)')
    }
    if (authToken !== null && !showsToken(rawHeaders, authToken)) {
      reply.header('www-authenticate', 'Bearer realm="purge"')
      return say('denied', 'a valid token is needed: Authorization: Bearer or X-Purge-Token')
    }
    const caches = cachesOf(fastify)
    if (caches.length === 0) return say('invalid', 'there is no cache here')
    if ('problem' in wish) return say('invalid', wish.problem)
    // The process that takes over would not hear of it.
    if (fastify.health?.draining) {
      reply.header('retry-after', '1').header('connection', 'close')
      return say('failed', 'this process is ending: ask again')
    }
    const targets = caches.map((cache) => cache.targetOf(request.raw))
    if (targets.includes(null)) return say('invalid', 'not a valid target')
    try {
      const { soft } = wish
      const counts = caches.map((cache, i) =>
        wish.method === 'url'
          ? cache.purgeTarget(targets[i]!, { soft })
          : purgeIn(cache, wish, targets[i]!.authority, { soft }),
      )
      const purged = sum(await Promise.all(counts))
      return say('success', messageFor(wish.method, soft, purged), purged)
    } catch {
      return say('failed', NOT_WRITTEN)
    }
  }

  function count(method: PurgeMethod, result: PurgeResult): void {
    const counters = (fastify.sliceProxy ?? fastify.routeCache)?.counters
    if (counters) counters.purges[method][result]++
  }
}

/** An empty token would be shown by every request. */
function checked(settings: PurgeSettings): PurgeSettings {
  if (settings.authToken === '') throw new TypeError('purge: authToken is empty; null asks for none')
  return settings
}

/** A host with the default port of one scheme has two forms: keys of http and of https leave out their own. */
function authoritiesOf(host: string): string[] {
  const forms = ['http', 'https'].map((scheme) => normaliseAuthority(host, scheme))
  if (forms.includes(undefined)) throw new TypeError(`purge: ${host} is no host, or host:port`)
  return [...new Set(forms as string[])]
}

function cachesOf({ sliceProxy, routeCache }: FastifyInstance): Cache[] {
  return [sliceProxy, routeCache].filter((cache) => cache !== undefined)
}

function subjectOf(what: Exclude<PurgeTarget, { url: string }>) {
  if ('tag' in what) return tagSubject([what.tag].flat())
  if ('prefix' in what) return pathSubject(what.prefix)
  if ('all' in what && what.all === true) return { method: 'all' } as const
  throw new TypeError('purge: name a url, a prefix, a tag, or all: true')
}

/** @param host null = every host's paths */
async function purgeIn(
  cache: Cache,
  subject: PurgeSubject,
  host: string | null,
  how: PurgeOptions | undefined,
): Promise<number> {
  if (subject.method === 'all') return cache.purgeAll(how)
  if (subject.method === 'tag') await cache.purgeTags(subject.tags, how)
  else if (subject.method === 'prefix') await cache.purgePaths(subject.pattern, host, how)
  return 0
}

function messageFor(method: PurgeMethod, soft: boolean, purged: number): string {
  if (method === 'all') return soft ? 'everything is stale now' : 'everything was purged'
  if (method !== 'url') {
    return `${soft ? 'stale now' : 'purged'}, however much it is: what is stored from before is not counted, and removed in the background`
  }
  if (purged === 0) return 'nothing was stored'
  return soft ? 'stale now' : 'purged'
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, each) => total + each, 0)
}

export default fp(purge, { fastify: '5.x', name: 'slicestream-purge' })
