import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { extname, join } from 'node:path'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { type PageFiles, statusAnswers } from '../lib/status/answers.ts'
import type { StatusSources } from '../lib/status/sources.ts'
import { createStatus } from '../lib/status/status.ts'
import './decorators.ts'

export interface StatusOptions {
  /**
   * Where the page is among the routes of the service: `/admin/cache` serves `/admin/cache/` and `/admin/cache/status`. Without
   * it they are `/` and `/status` of the port of `health`, which must have an address and be registered before.
   */
  prefix?: string
}

const SAMPLE_INTERVAL = 1000

/** By the path that they are served under. In the package they lie beside the compiled plugins. */
const FILES = {
  '': 'page.html',
  ...Object.fromEntries(
    ['page.css', 'page.js', 'chart.js', 'format.js', 'region-map.js', 'tables.js'].map((name) => [
      `status/${name}`,
      name,
    ]),
  ),
}
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
}

/**
 * A page for people that shows what the cache does, and the JSON that it reads (docs/status.md). It shows paths that clients
 * ask for: who can reach the port or the prefix sees them.
 */
const status: FastifyPluginAsync<StatusOptions> = async (fastify, { prefix }) => {
  const now = () => performance.now()
  const facts = { version: readVersion(), startedAt: Math.round(Date.now() - process.uptime() * 1000) }
  const status = createStatus(facts, sourcesOf(fastify))
  const answers = statusAnswers(readFiles(), (range) => status.report(range, now(), Date.now()))

  if (prefix === undefined) serveOnHealthPort(fastify, answers)
  else serveOnRoutes(fastify, prefix.replace(/\/+$/, ''), answers)

  // What is busy for longer misses samples: an interval does not make up for its ticks.
  const timer = setInterval(() => status.sample(now()), SAMPLE_INTERVAL).unref()
  fastify.addHook('onReady', async () => status.sample(now()))
  fastify.addHook('onClose', async () => clearInterval(timer))
}

function sourcesOf(fastify: FastifyInstance): StatusSources {
  return {
    get cache() {
      return fastify.sliceProxy ?? fastify.routeCache
    },
    get l1() {
      return fastify.l1
    },
    get l2() {
      return fastify.l2
    },
    get rawDisk() {
      return fastify.rawDisk
    },
    get health() {
      return fastify.health
    },
    get pressure() {
      return fastify.pressure
    },
    get clients() {
      return fastify.clientLimits?.counts
    },
  }
}

function serveOnHealthPort(fastify: FastifyInstance, answers: Map<string, RequestListener>): void {
  for (const [path, listener] of answers) {
    if (fastify.health?.answer(`/${path}`, listener)) continue
    throw new Error('status: register health with an address before it, or give it a prefix')
  }
}

function serveOnRoutes(
  fastify: FastifyInstance,
  prefix: string,
  answers: Map<string, RequestListener>,
): void {
  for (const [path, listener] of answers) {
    fastify.all(`${prefix}/${path}`, {
      exposeHeadRoute: false,
      config: { cache: false },
      // Before Fastify would parse a body: what is not GET or HEAD is refused.
      onRequest: (request, reply) => {
        reply.hijack()
        listener(request.raw, reply.raw)
      },
      handler() {},
    })
  }
}

function readFiles(): PageFiles {
  const dir = join(import.meta.dirname, '../status')
  return new Map(
    Object.entries(FILES).map(([path, name]) => [
      path,
      { type: TYPES[extname(name)], bytes: readFileSync(join(dir, name)) },
    ]),
  )
}

/** The version in package.json: one level up, or two when this runs from dist/. */
function readVersion(): string {
  for (const up of ['..', '../..']) {
    try {
      return JSON.parse(readFileSync(join(import.meta.dirname, up, 'package.json'), 'utf8')).version
    } catch {}
  }
  return 'unknown'
}

/** What the cache does, as a page and as JSON. */
export default fp(status, { fastify: '5.x', name: 'slicestream-status' })
