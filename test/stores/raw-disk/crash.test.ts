import fc from 'fast-check'
import t from 'tap'
import { createRandom } from '../../helpers/random.ts'
import { type Bed, type BedOptions, createBed, type Ending } from './helpers.ts'
import { HEADS } from './ledger.ts'

/** Runs of the property; SOAK_RUNS=100000 for a night. */
const numRuns = Number(process.env.SOAK_RUNS ?? 300)
/** SEED=… RUN_PATH=…, as a failure was reported, repeat it. */
const { SEED, RUN_PATH } = process.env
const repeated = SEED === undefined ? {} : { seed: Number(SEED), path: RUN_PATH }
const soaking = process.env.SOAK_RUNS !== undefined
t.setTimeout(soaking ? 86_400_000 : 600_000)

/** So small that its regions turn over many times. */
const device = { totalSize: 1.5 * 1024 * 1024, sliceSize: 32_768, store: { readBytes: 1024 * 1024 } }
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']
const step = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant('put' as const) },
    { weight: 3, arbitrary: fc.constant('putMany' as const) },
    { weight: 3, arbitrary: fc.constant('putHeads' as const) },
    { weight: 1, arbitrary: fc.constant('removeHeads' as const) },
    { weight: 6, arbitrary: fc.constant('get' as const) },
    { weight: 3, arbitrary: fc.constant('part' as const) },
    { weight: 2, arbitrary: fc.constant('drop' as const) },
    { weight: 1, arbitrary: fc.constant('dropAndGoOn' as const) },
    { weight: 1, arbitrary: fc.constant('dropGeneration' as const) },
    { weight: 1, arbitrary: fc.constant('clear' as const) },
    { weight: 1, arbitrary: fc.constant('burst' as const) },
    { weight: 2, arbitrary: fc.constant('flush' as const) },
    { weight: 2, arbitrary: fc.constant('turns' as const) },
    { weight: 1, arbitrary: fc.constant('checkpoint' as const) },
    { weight: 1, arbitrary: fc.constant('checkpointAndGoOn' as const) },
    { weight: 4, arbitrary: fc.constant('restart' as const) },
  ),
  key: fc.constantFrom(...KEYS),
  generation: fc.constantFrom(1, 2),
  index: fc.nat(3),
  length: fc.oneof(fc.nat(200), fc.nat(9000), fc.nat(32768)),
  ending: fc.constantFrom<Ending>('close', 'close, then power failure', 'kill', 'kill', 'crash', 'crash'),
  seed: fc.nat(),
})

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Tally {
  runs: number
  found: number
  restarts: number
  reclaims: number
}

/** What is under way while other things happen. */
interface Behind {
  add(...promises: Promise<unknown>[]): void
  /** Resolves when all of it has ended; rejects with the first error. */
  all(): Promise<void>
}

function createBehind(): Behind {
  let outcomes: Promise<Error | undefined>[] = []
  return {
    add(...promises) {
      for (const each of promises)
        outcomes.push(
          each.then(
            () => undefined,
            (error) => error,
          ),
        )
    },
    async all() {
      const errors = await Promise.all(outcomes)
      outcomes = []
      for (const error of errors) if (error !== undefined) throw error
    },
  }
}

async function take(bed: Bed, each: Step, behind: Behind, tally: Tally): Promise<void> {
  const { kind, key, generation, index, length, ending, seed } = each
  if (kind === 'put') bed.put(key, generation, index, length)
  else if (kind === 'putMany') {
    for (let count = 0; count < 12; count++)
      bed.put(KEYS[count % 6], generation, count % 4, (length + count * 997) % 32768)
    await bed.flush()
  } else if (kind === 'putHeads') bed.putHeads(key, length % 3000)
  else if (kind === 'removeHeads') bed.putHeads(key, -1)
  else if (kind === 'get') tally.found += Number(await bed.get(key, generation, index))
  else if (kind === 'part') {
    behind.add(
      bed.get(key, generation, index, { from: seed % (length + 1), to: length }),
      bed.get(key, HEADS, 0),
    )
  } else if (kind === 'drop') await bed.drop(key)
  else if (kind === 'dropAndGoOn') behind.add(bed.drop(key))
  else if (kind === 'clear') behind.add(bed.clear())
  else if (kind === 'burst') {
    // More than there is room for: reclaim does not keep up.
    for (let count = 0; count < 30; count++) bed.put(`burst ${count}`, generation, index, length)
  } else if (kind === 'dropGeneration') bed.dropGeneration(key, generation)
  else if (kind === 'flush') await bed.flush()
  else if (kind === 'turns') for (let turn = seed % 8; turn >= 0; turn--) await new Promise(setImmediate)
  else if (kind === 'checkpoint') await bed.checkpointAnew()
  else if (kind === 'checkpointAndGoOn') behind.add(bed.checkpointAnew())
  else {
    tally.reclaims += bed.store.figures().reclaimRuns
    await bed.restart(ending, seed)
    await behind.all()
    tally.restarts++
    tally.found += await bed.getAll()
  }
  bed.check()
}

async function run(
  steps: Step[],
  tally: Tally,
  ending: Ending,
  seed: number,
  options: BedOptions,
): Promise<void> {
  tally.runs++
  const bed = await createBed({ ...options, seed })
  const behind = createBehind()
  for (const each of steps) await take(bed, each, behind, tally)
  await behind.all()
  await bed.restart(ending, seed)
  tally.found += await bed.getAll()
  await bed.close()
}

const steps = fc.array(step, { minLength: 5, maxLength: soaking ? 150 : 80, size: 'max' })
const lastEnding = fc.constantFrom<Ending>('kill', 'crash')
const interruptAfterTimeLimit = soaking ? undefined : 45_000
const parameters = { ...repeated, endOnFailure: soaking, interruptAfterTimeLimit }

/**
 * A region that was mostly dead was reclaimed before the oldest one, no room was left for the copy of what was alive in it, and that
 * was given up: after a kill an older region told what it had replaced.
 */
const withoutRoomForCopies: Step[] = [
  { kind: 'putMany', key: 'c', generation: 2, index: 2, length: 9755, ending: 'crash', seed: 576286479 },
  { kind: 'putMany', key: 'a', generation: 1, index: 0, length: 8203, ending: 'crash', seed: 2012473679 },
  { kind: 'put', key: 'e', generation: 2, index: 1, length: 8431, ending: 'kill', seed: 110410924 },
  { kind: 'putMany', key: 'b', generation: 2, index: 3, length: 57, ending: 'kill', seed: 387823877 },
  {
    kind: 'put',
    key: 'f',
    generation: 2,
    index: 1,
    length: 21754,
    ending: 'close, then power failure',
    seed: 1531882804,
  },
  {
    kind: 'put',
    key: 'c',
    generation: 1,
    index: 0,
    length: 189,
    ending: 'close, then power failure',
    seed: 582864574,
  },
  { kind: 'putHeads', key: 'd', generation: 1, index: 3, length: 8843, ending: 'kill', seed: 365048358 },
  {
    kind: 'burst',
    key: 'a',
    generation: 2,
    index: 3,
    length: 15134,
    ending: 'close, then power failure',
    seed: 842598147,
  },
  { kind: 'burst', key: 'a', generation: 1, index: 0, length: 4182, ending: 'crash', seed: 775180067 },
  { kind: 'putMany', key: 'a', generation: 2, index: 3, length: 4316, ending: 'close', seed: 1874184754 },
  { kind: 'restart', key: 'b', generation: 1, index: 2, length: 19, ending: 'kill', seed: 1883369661 },
]

t.test('what cannot be carried over from a younger region is not given up there', async (t) => {
  const tally: Tally = { runs: 0, found: 0, restarts: 0, reclaims: 0 }
  await run(withoutRoomForCopies, tally, 'crash', 740_105_639, { ...device, blockSize: 512 })
  t.ok(tally.reclaims > 0)
})

t.test('whatever the device loses, an answer is what was put or a miss', async (t) => {
  const tally: Tally = { runs: 0, found: 0, restarts: 0, reclaims: 0 }
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.constantFrom(512, 4096, 16384),
      lastEnding,
      fc.nat(),
      (steps, blockSize, ending, seed) => run(steps, tally, ending, seed, { ...device, blockSize }),
    ),
    { ...parameters, numRuns },
  )
  t.comment(JSON.stringify(tally))
  // The time is limited: on a slow machine few runs say little.
  if (tally.runs < 30) return
  t.ok(tally.restarts > tally.runs)
  t.ok(tally.found > tally.restarts * 5, 'much was found again')
  t.ok(tally.reclaims > tally.runs / 10, 'regions turned over')
})

t.test('whatever fails on the device, an answer is what was put or a miss', async (t) => {
  const tally: Tally = { runs: 0, found: 0, restarts: 0, reclaims: 0 }
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.constantFrom(0.02, 0.1, 0.5),
      fc.constantFrom('read', 'write', 'sync', undefined),
      lastEnding,
      fc.nat(),
      (steps, probability, kind, ending, seed) => {
        const random = createRandom(seed)
        const failing: BedOptions['failing'] = (operation) => {
          if (kind !== undefined && operation.kind !== kind) return undefined
          return random.chance(probability) ? random.pick(['EIO', 'ENOSPC', 'SHORT']) : undefined
        }
        const store = { ...device.store, retryMs: 1 }
        return run(steps, tally, ending, seed, { ...device, store, failing })
      },
    ),
    { ...parameters, numRuns: Math.ceil(numRuns / 4) },
  )
  t.comment(JSON.stringify(tally))
  if (tally.runs >= 30) t.ok(tally.found > tally.restarts, 'some was found again')
})
