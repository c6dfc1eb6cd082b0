import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createBans } from '../../lib/cache/bans/bans.ts'
import type { Counters } from '../../lib/cache/counters.ts'
import { type Answer, type Connection, connect } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'
import { createRandom, type Random } from '../helpers/random.ts'
import { tempDir } from '../helpers/scope.ts'
import { type FileTier, fileTier } from './file-tier.ts'
import { type Plan, planRequest } from './random-faults/client.ts'
import { beginning, faultIn } from './random-faults/oracle.ts'
import { troubledOrigin } from './random-faults/origin.ts'
import { change, createResources, purged, type Resource } from './random-faults/resources.ts'
import { type RawTier, rawTier } from './raw-disk/tier.ts'
import { until } from './until.ts'

// For longer, with another course of events: SEED=7 SOAK_SECONDS=3600 node test/proxy/random-faults.test.ts
// The seed fixes what is asked and what goes wrong, not how the requests interleave.
const SEED = Number(process.env.SEED ?? 1)
const SECONDS = Number(process.env.SOAK_SECONDS ?? 6)
const CLIENTS = 24
const MIB = 1024 * 1024
const SLICE = 64 * 1024
/** What of the answers must have come about at least once. */
const KINDS = ['HIT', 'MISS', 'REVALIDATED', '206']

t.setTimeout((4 * SECONDS + 600) * 1000)

interface Config {
  l1: number
  files?: (t: Test) => FileTier
  tier?: (t: Test) => RawTier
}

const configs: Record<string, Config> = {
  'with slices in memory': { l1: 2 * MIB },
  // Less to lend than is asked for at once.
  'with slices on disk, few of them in memory': {
    l1: MIB,
    files: (t) => fileTier(t, { maxBytes: 256 * MIB, readBytes: MIB }),
  },
  // Smaller than what is stored: regions are reclaimed all the time. No memory tier: all of it is lent.
  'with slices on a small raw disk': {
    l1: 0,
    tier: (t) => rawTier(t, { totalSize: 12 * MIB, sliceSize: SLICE, checkpointMs: 500 }),
  },
}

for (const [name, config] of Object.entries(configs)) {
  t.test(
    `random clients of a failing, changing origin get one right version or a cut, ${name}`,
    async (t) => {
      const random = createRandom(SEED)
      const resources = createResources(random, 16)
      const trouble = { on: true }
      const origin = await startOrigin(
        t,
        troubledOrigin(createRandom(random.below(2 ** 32)), resources, trouble),
      )
      const tier = config.tier?.(t)
      const proxy = await startProxy(t, {
        upstream: origin.url,
        sliceSize: SLICE,
        headersTimeout: 8000,
        bodyTimeout: 8000,
        l1: config.l1,
        async tier(fastify) {
          await config.files?.(t).register(fastify)
          await tier?.register(fastify)
          // Sweeps come seldom; here they shall come into everything.
          const file = join(tempDir(t), 'bans')
          const bans = createBans({ file, outlivedByStores: true, sweepAfter: 300 })
          fastify.decorate('bans', bans)
          fastify.addHook('onClose', () => bans.close())
        },
      })
      const seen: Record<string, number> = {}
      const deadline = performance.now() + SECONDS * 1000
      const sawAll = () =>
        KINDS.every((kind) => seen[kind] > 0) &&
        proxy.counters.truncatedBodies > 0 &&
        proxy.fastify.bans!.counts.sweeps > 0 &&
        tier?.store.figures().reclaimRuns !== 0
      // A slow machine gets more time for what must have come about, but not for ever.
      const goesOn = () => performance.now() < deadline + (sawAll() ? 0 : 60_000)

      async function changes(random: Random): Promise<void> {
        for (; goesOn(); await wait(random.below(250))) {
          const resource = random.pick(resources)
          change(resource)
          if (random.chance(0.5)) await purge(random, resource)
          origin.requests.length = 0 // an hour of them would fill the memory
        }
      }
      async function purge(random: Random, resource: Resource): Promise<void> {
        const { sliceProxy } = proxy.fastify
        const { path } = resource
        const way = random.pick([
          () => sliceProxy!.purge(proxy.url + path),
          () => sliceProxy!.purgeTags([`at${path}`]),
          () => sliceProxy!.purgePaths(path, null),
          () => sliceProxy!.purgePaths(`/*${path.slice(1)}`, `127.0.0.1:${proxy.port}`),
          // Now and then: it takes the others' hits.
          () => (random.chance(0.1) ? sliceProxy!.purgeAll() : sliceProxy!.purgeTags([`at${path}`])),
        ])
        const at = performance.now()
        await way()
        purged(resource, at)
      }
      async function client(random: Random): Promise<void> {
        let connection: Connection | undefined
        while (goesOn()) {
          connection ??= await connect(proxy.url)
          const answer = await ask(t, connection, planRequest(random, resources), seen)
          if (answer?.complete && answer.ended === null && random.chance(0.5)) continue
          connection.close()
          connection = undefined
        }
        connection?.close()
      }
      const own = () => createRandom(random.below(2 ** 32))
      await Promise.all([
        changes(own()),

        ...Array.from({ length: CLIENTS }, () => client(own())),
      ])

      trouble.on = false
      t.comment(`SEED=${SEED} ${JSON.stringify({ ...seen, refused: proxy.counters.identityRefusals })}`)
      for (const kind of KINDS) t.ok(seen[kind] > 0, `some were ${kind}`)
      t.ok(proxy.counters.truncatedBodies > 0, 'some bodies of the origin were cut')
      t.ok(proxy.fastify.bans!.counts.sweeps > 0, 'what was purged was swept')
      await settled(t, proxy.counters)
      await askInPeace(t, proxy.url, resources)
      await settled(t, proxy.counters)
      if (tier) await inOrder(t, tier)
    },
  )
}

/** Sends one request and judges its answer; undefined when the client did not wait for it. */
async function ask(
  t: Test,
  connection: Connection,
  plan: Plan,
  seen: Record<string, number> = {},
): Promise<Answer | undefined> {
  const { resource, options, leaveAfter } = plan
  const began = beginning(resource)
  const leaving = leaveAfter === null ? undefined : setTimeout(connection.close, leaveAfter)
  try {
    const answer = await connection.request(resource.path, options)
    const gaveUp =
      answer.ended === 'closed' || answer.length >= (options.abortAfter ?? Number.POSITIVE_INFINITY)
    const kinds = answer.complete ? [answer.status, answer.header('x-cache')] : [gaveUp ? 'left' : 'cut']
    for (const kind of kinds) seen[kind ?? 'other'] = (seen[kind ?? 'other'] ?? 0) + 1
    const fault = answer.complete ? faultIn(answer, plan, began) : undefined
    if (fault !== undefined)
      t.fail(fault, { ...describe(plan), status: answer.status, fields: answer.fields })
    if (options.method === 'POST' && answer.complete && answer.status < 400) purged(resource, began.at)
    return answer
  } catch (error) {
    t.fail((error as Error).message, describe(plan)) // it hung, or its framing was wrong
  } finally {
    clearTimeout(leaving)
  }
}

function describe({ resource, options }: Plan) {
  const { versions, ...rest } = resource
  return { seed: SEED, resource: { ...rest, version: versions.at(-1)!.number }, options }
}

/** The raw disk's counts agree, regions were reclaimed, and all memory has come back. */
async function inOrder(t: Test, { store }: RawTier): Promise<void> {
  await store.flush()
  await until(() => store.figures().lentBytes === 0).catch(() => {})
  const { lentBytes, corrupt, readErrors, writeErrors, reclaimRuns } = store.figures()
  t.same(
    { lentBytes, corrupt, readErrors, writeErrors },
    { lentBytes: 0, corrupt: 0, readErrors: 0, writeErrors: 0 },
  )
  t.same(store.selfTest(), [])
  t.ok(reclaimRuns > 0, `${reclaimRuns} regions were reclaimed`)
}

async function settled(t: Test, counters: Counters): Promise<void> {
  await until(() => counters.fillsNow === 0 && counters.requestsNow === 0).catch(() => {})
  t.match(counters, { fillsNow: 0, requestsNow: 0 }, 'nothing is under way any more')
}

/**
 * Without trouble every answer is whole and right, whatever is stored by now. One at a time: many could push each other's
 * slices out of a small memory, and what has no strong validator cannot be completed from another transfer.
 */
async function askInPeace(t: Test, url: string, resources: readonly Resource[]): Promise<void> {
  const random = createRandom(SEED)
  for (let turn = 0; turn < 10 * resources.length; turn++) {
    const plan = planRequest(random, resources)
    plan.leaveAfter = null
    plan.options.abortAfter = undefined
    plan.options.bytesPerSecond = undefined
    // One cut is right where the trouble left a part of an older version: what is missing of it nobody has any more, and
    // that shows when the first bytes are sent. Then it is forgotten, so the next answer is whole.
    const answer = (await askAlone(t, url, plan)) ?? (await askAlone(t, url, plan))
    if (answer !== undefined && answer.status < 500) continue
    t.fail('not answered without trouble', { ...describe(plan), status: answer?.status })
    break
  }
}

/** Undefined when the answer was cut. */
async function askAlone(t: Test, url: string, plan: Plan): Promise<Answer | undefined> {
  const connection = await connect(url)
  const answer = await ask(t, connection, plan)
  connection.close()
  return answer?.complete ? answer : undefined
}
