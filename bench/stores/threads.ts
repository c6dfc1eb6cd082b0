import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { tempDir } from '../../test/helpers/scope.ts'
import { type Bench, figure, MIB, percentile } from '../harness.ts'
import { filledFile } from './disk.ts'
import type { Measured, Task } from './threads-child.ts'

interface Way {
  name: string
  threads: number
  kind: 'libuv' | 'message' | 'atomics'
}

const WAYS: Way[] = [
  ...[4, 8, 16, 32].map((threads) => ({
    name: `libuv, ${threads} threads`,
    threads,
    kind: 'libuv' as const,
  })),
  ...[1, 2, 4].flatMap((threads) => [
    { name: `${threads} workers, postMessage`, threads, kind: 'message' as const },
    { name: `${threads} workers, Atomics`, threads, kind: 'atomics' as const },
  ]),
]
const SIZES = { '4 KiB': 4096, '64 KiB': 65536, '1 MiB': MIB }

/** Who should read the disk: the thread pool of libuv, and of how many threads, or worker threads that read synchronously. */
export async function benchThreads(bench: Bench): Promise<void> {
  const size = bench.smoke ? 32 * MIB : 1024 * MIB
  const ms = bench.smoke ? 10 : 300
  const rounds = bench.smoke ? 1 : 3
  const atOnce = bench.smoke ? [32] : [1, 8, 32]
  const path = join(tempDir(bench.scope), 'file')
  await filledFile(path, size)
  const children = []
  for (const way of WAYS) children.push({ way, ...(await start(bench, way, path, size)) })

  bench.line('## Threads for reading')
  bench.line('')
  bench.line(
    `O_DIRECT reads at random places of a file of ${size / MIB} MiB into page-aligned memory, by the thread pool of libuv (UV_THREADPOOL_SIZE)`,
  )
  bench.line(
    'and by worker threads that read synchronously into shared memory, woken by messages or by Atomics.notify. Medians of',
  )
  bench.line(
    `${rounds} rounds of ${ms} ms, the ways in turn. p50 and p99 in milliseconds from asking to having; CPU of all threads, us a read.`,
  )
  bench.line('')
  for (const [name, bytes] of Object.entries(SIZES)) {
    const columns = atOnce.map((n) => `${n} at once: reads/s | p50 / p99 | CPU`)
    bench.line(`| ${name} | ${columns.join(' | ')} |`)
    bench.line(`|---|${'---|'.repeat(3 * atOnce.length)}`)
    const cells: string[][] = children.map(({ way }) => [way.name])
    for (const concurrency of atOnce) {
      const measured: Measured[][] = children.map(() => [])
      for (let round = 0; round < rounds; round++)
        for (const [i, { run }] of children.entries()) measured[i].push(await run({ bytes, concurrency, ms }))
      for (const [i, each] of measured.entries()) cells[i].push(summary(each))
    }
    for (const row of cells) bench.line(`| ${row.join(' | ')} |`)
    bench.line('')
  }
  bench.line(
    'The store reads by the thread pool, and `server.ts` gives it 16 threads. A worker reads one thing at a time: it takes as many workers as',
  )
  bench.line(
    'reads are to be under way, each with a heap of its own, and a message or a wake-up for every read, as the pool needs, too. Few threads',
  )
  bench.line(
    'would do for reading alone, but files, names and zstd share them; more than 16 gain nothing where the tables above are from.',
  )
  bench.line('')
  for (const { end } of children) end()
}

function summary(rounds: Measured[]): string {
  const median = (of: (each: Measured) => number) => percentile(rounds.map(of), 0.5)
  const perSecond = Math.round(median(({ reads, seconds }) => reads / seconds))
  const latency = `${figure(median(({ p50 }) => p50))} / ${figure(median(({ p99 }) => p99))}`
  return `${perSecond} | ${latency} | ${Math.round(median(({ cpu }) => cpu))}`
}

async function start(bench: Bench, { kind, threads }: Way, path: string, size: number) {
  const child = fork(join(import.meta.dirname, 'threads-child.ts'), [path, `${size}`, kind, `${threads}`], {
    env: { ...process.env, UV_THREADPOOL_SIZE: kind === 'libuv' ? `${threads}` : '4' },
  })
  bench.scope.teardown(() => child.kill())
  child.once('exit', (code) => code && child.emit('error', new Error('the reading process ended')))
  await once(child, 'message')
  async function run(task: Task): Promise<Measured> {
    child.send(task)
    const [measured] = await once(child, 'message')
    return measured
  }
  // The first reads start the threads.
  await run({ bytes: 4096, concurrency: 32, ms: 50 })
  return { run, end: () => child.send('end') }
}
