// One way of reading a file, in a process of its own: UV_THREADPOOL_SIZE counts once a process.
// Arguments: path, size, kind (libuv, message or atomics), workers. Asked and told by messages.
import { closeSync, constants, openSync, read as uvRead } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { percentile } from '../harness.ts'
import { ASKED, CELLS, createRing, DONE, type Ring, STOP, type WorkerData } from './threads-ring.ts'

declare const WebAssembly: {
  Memory: new (size: {
    initial: number
    maximum: number
    shared: true
  }) => { readonly buffer: SharedArrayBuffer }
}

/** What the parent asks for. */
export interface Task {
  /** Of one read. */
  bytes: number
  /** Reads under way at any time. */
  concurrency: number
  ms: number
}

export interface Measured {
  reads: number
  seconds: number
  /** Milliseconds from asking to having. */
  p50: number
  p99: number
  /** Of all threads of the process, user and system, in microseconds a read. */
  cpu: number
}

type Read = (place: number, bytes: number, offset: number) => Promise<void>

const MOST_BYTES = 1024 * 1024
const MOST_AT_ONCE = 32

const [path, size, kind, workers] = process.argv.slice(2)
const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT)
const pages = (MOST_BYTES * MOST_AT_ONCE) / 65536
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
const threads: Worker[] = []
const read = kind === 'libuv' ? libuvReads() : workerReads(kind as WorkerData['wake'], Number(workers))

process.on('message', async (task: Task | 'end') => {
  if (task !== 'end') return void process.send?.(await measure(task))
  process.disconnect?.()
  for (const thread of threads) await thread.terminate()
  closeSync(fd)
  process.exit()
})
process.send?.('ready')

async function measure({ bytes, concurrency, ms }: Task): Promise<Measured> {
  const places = Math.floor(Number(size) / bytes)
  const times: number[] = []
  const cpu = process.cpuUsage()
  const started = performance.now()
  const reader = async (number: number) => {
    while (performance.now() - started < ms) {
      const asked = performance.now()
      await read(Math.floor(Math.random() * places) * bytes, bytes, number * MOST_BYTES)
      times.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, (_, number) => reader(number)))
  const { user, system } = process.cpuUsage(cpu)
  return {
    reads: times.length,
    seconds: (performance.now() - started) / 1000,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    cpu: (user + system) / times.length,
  }
}

function libuvReads(): Read {
  return (place, bytes, offset) =>
    new Promise((resolve, reject) => {
      uvRead(fd, new Uint8Array(memory, offset, bytes), 0, bytes, place, (error, got) => {
        if (error === null && got === bytes) resolve()
        else reject(error ?? new Error('short read'))
      })
    })
}

function workerReads(wake: WorkerData['wake'], count: number): Read {
  const ask = Array.from({ length: count }, () => startWorker(wake))
  let turn = 0
  return (place, bytes, offset) => ask[turn++ % count](place, bytes, offset)
}

function startWorker(wake: WorkerData['wake']): Read {
  const ring = createRing()
  const { control } = ring
  const worker = new Worker(new URL('./threads-worker.ts', import.meta.url), {
    workerData: { fd, memory, wake, ring } satisfies WorkerData,
  })
  worker.on('error', (error) => {
    throw error
  })
  threads.push(worker)
  const waiting: (() => void)[] = Array(CELLS)
  let asked = 0
  if (wake === 'message') worker.on('message', (cell: number) => waiting[cell]())
  else void followAnswers(ring, (cell) => waiting[cell]())

  return (place, bytes, offset) =>
    new Promise((resolve) => {
      const cell = asked++ % CELLS
      waiting[cell] = resolve
      ring.place[cell] = place
      ring.bytes[cell] = bytes
      ring.offset[cell] = offset
      if (wake === 'message') return worker.postMessage(cell)
      Atomics.store(control, ASKED, asked)
      Atomics.notify(control, ASKED)
    })
}

async function followAnswers({ control }: Ring, answered: (cell: number) => void): Promise<void> {
  for (let seen = 0; Atomics.load(control, STOP) === 0; ) {
    const done = Atomics.load(control, DONE)
    while (seen < done) answered(seen++ % CELLS)
    const { async, value } = Atomics.waitAsync(control, DONE, done)
    if (async) await value
  }
}
