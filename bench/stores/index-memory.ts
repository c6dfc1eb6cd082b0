import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Bench, claim, figure } from '../harness.ts'

export interface IndexShape {
  entries: number
  /** Entries of each object, its heads among them. */
  perObject: number
  /** Whether the index is told how many come, as in recovery. */
  isExpected: boolean
}

/** What one entry costs, on the average over all. */
export interface IndexCosts {
  /** Bytes by the index's own count, and bytes of resident memory. */
  bytes: number
  grown: number
  /** Nanoseconds of CPU time: added in order, found and not found at random, removed region by region. */
  add: number
  find: number
  miss: number
  remove: number
  /** Longest time in which 64 entries were added, in milliseconds by the clock: of three fills the least. */
  pauseMs: number
}

const MOST_BYTES = 64

/** The index by itself, with a million entries: memory, time, the longest pause while it grows. */
export async function benchIndexMemory(bench: Bench): Promise<void> {
  const entries = bench.smoke ? 50_000 : 1_000_000
  bench.line('## The index by itself')
  bench.line('')
  bench.line(
    `${entries} entries. Nanoseconds are CPU time an entry; the longest pause in which 64 were added is by the clock, the least of three.`,
  )
  bench.line('')
  const columns = ['add in order', 'longest 64', 'find', 'not found', 'remove by region']
  bench.line(`| entries an object | bytes by its count | bytes of the process | ${columns.join(' | ')} |`)
  bench.line('|---|---|---|---|---|---|---|---|')
  let most = 0
  for (const perObject of [1, 2, 5]) {
    for (const isExpected of [false, true]) {
      const costs = await costsOf({ entries, perObject, isExpected })
      const { bytes, grown, pauseMs } = costs
      const times = [costs.add, pauseMs, costs.find, costs.miss, costs.remove].map((each, i) =>
        i === 1 ? `${figure(each)} ms` : Math.round(each),
      )
      const shape = `${perObject}${isExpected ? ', number known' : ''}`
      bench.line(`| ${shape} | ${figure(bytes)} | ${figure(grown)} | ${times.join(' | ')} |`)
      most = Math.max(most, bytes, grown)
    }
  }
  bench.line('')
  claim(bench, 'Index, an entry', `${figure(most)} bytes`, `<= ${MOST_BYTES} bytes`, most <= MOST_BYTES)
  bench.line('')
}

async function costsOf(shape: IndexShape): Promise<IndexCosts> {
  const child = fork(join(import.meta.dirname, 'index-memory-child.ts'), [JSON.stringify(shape)], {
    execArgv: ['--expose-gc'],
  })
  child.once('exit', (code) => code && child.emit('error', new Error('the measuring process ended')))
  const [costs] = await once(child, 'message')
  return costs
}

if (import.meta.main) {
  const smoke = process.argv.includes('--smoke')
  await benchIndexMemory({ smoke, line: console.log } as Bench)
}
