import underPressure from '@fastify/under-pressure'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createPressureWatch, type Readings } from '../lib/health/pressure.ts'
import type { Pressure, PressureOptions } from './decorators.ts'

const DEFAULTS: Required<PressureOptions> = {
  maxEventLoopDelay: 1000,
  maxEventLoopPercent: 0,
  maxRssBytes: 0,
  retryAfter: 10,
}

/** Milliseconds. */
const SAMPLE_INTERVAL = 1000
/** Pressure that comes back sooner than this is not told again: one that comes and goes would fill the log. */
const QUIET = 60_000

/**
 * Has `streaming-proxy` refuse what memory cannot answer while the process is too busy. Responses under way go on.
 *
 * @fastify/under-pressure only samples here, which is what it does without limits of its own: its hook would answer
 * every request of the service, hits and probes too, and its limits are fixed.
 */
const pressure: FastifyPluginAsync<PressureOptions> = async (fastify, options) => {
  let limits = { ...DEFAULTS, ...options }
  const watch = createPressureWatch()
  let beganAt: number | null = null
  let toldAt = -Infinity
  let isTold = false

  if (!fastify.hasDecorator('memoryUsage')) {
    // By interval: the share since the start would notice nothing after a quiet day.
    await fastify.register(underPressure, {
      eventLoopUtilizationMode: 'interval',
      sampleInterval: SAMPLE_INTERVAL,
    })
  }

  function look(): void {
    const { eventLoopDelay, eventLoopUtilized, rssBytes } = fastify.memoryUsage()
    const readings: Readings = { delay: eventLoopDelay, percent: eventLoopUtilized * 100, rss: rssBytes }
    watch.look(readings, limits)
    const now = performance.now()
    if (watch.reasons.length > 0 && beganAt === null) begin(now, readings)
    else if (watch.reasons.length === 0 && beganAt !== null) end(now, beganAt)
  }

  function begin(now: number, { delay, percent, rss }: Readings): void {
    beganAt = now
    isTold = now - toldAt >= QUIET
    if (!isTold) return
    toldAt = now
    const facts = {
      eventLoopDelayMs: Math.round(delay),
      eventLoopPercent: Math.round(percent),
      rssBytes: rss,
    }
    fastify.log.warn(
      { reasons: watch.reasons, ...facts },
      'under pressure: refusing what memory cannot answer',
    )
  }

  function end(now: number, began: number): void {
    beganAt = null
    if (isTold) fastify.log.info({ seconds: Math.round((now - began) / 1000) }, 'the pressure is over')
  }

  const decorator: Pressure = {
    reasons: () => watch.reasons,
    refusal() {
      const [reason] = watch.reasons
      return reason === undefined ? null : { reason, retryAfter: limits.retryAfter }
    },
    configure(changes) {
      limits = { ...limits, ...changes }
      look()
    },
  }
  fastify.decorate('pressure', decorator)
  const timer = setInterval(look, SAMPLE_INTERVAL).unref()
  fastify.addHook('onClose', async () => clearInterval(timer))
}

/** Works for a `streaming-proxy` that is registered before or after it, and for `health`. */
export default fp(pressure, { fastify: '5.x', name: 'slicestream-pressure' })
