import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { geometryOf } from '../../lib/stores/raw-disk/geometry.ts'
import { tempDir } from '../../test/helpers/scope.ts'
import { type Bench, claim, figure, MIB } from '../harness.ts'
import { dropCaches } from './disk.ts'
import { BLOCK, type Job, SLICES, type Told } from './restart-job.ts'

/** A device that was closed, with very many small entries on it. */
export interface Device {
  path: string
  totalSize: number
}

const BYTES_PER_ENTRY = 64
const SECONDS = { clean: 5, killed: 15 }

/** The index at one million entries: its memory, and how soon it is there again after a clean stop and after SIGKILL. */
export async function benchRestart(bench: Bench): Promise<Device> {
  const entries = bench.smoke ? 20_000 : 1_000_000
  const objects = entries / (1 + SLICES)
  const device = { path: join(tempDir(bench.scope), 'disk'), totalSize: sizeFor(entries * 1.1) }
  const job: Job = { ...device, fill: 0, objects }

  const filled = await start(bench, { ...job, fill: objects })
  await kill(filled.child)
  const afterKill = await start(bench, job)
  const closed = await close(afterKill.child)
  const afterClose = await start(bench, job)
  await close(afterClose.child)

  bench.line('## The index with a million entries')
  bench.line('')
  bench.line(
    `${entries} entries (heads, and slices of 100 bytes, in blocks of ${BLOCK}) on a device of ${device.totalSize / MIB} MiB, put in ${figure(filled.told.filled)} s`,
  )
  bench.line(
    'without a checkpoint between, then SIGKILL; the next process is closed; a third one starts from its snapshot. Each restart with cold caches,',
  )
  bench.line('by a process of its own; of each, 500 objects spread over all are looked up.')
  bench.line('')
  bench.line('| start | entries | takes requests, ms | index complete, ms | objects found |')
  bench.line('|---|---|---|---|---|')
  for (const [name, { told }] of Object.entries({
    'after SIGKILL': afterKill,
    'after a clean stop': afterClose,
  })) {
    const times = `${Math.round(told.opened)} | ${Math.round(told.recovered)}`
    bench.line(`| ${name} | ${told.entries} | ${times} | ${told.found} of ${told.asked} |`)
  }
  bench.line('')
  const { told } = filled
  bench.line(
    `The clean stop took ${Math.round(closed)} ms. Each entry of the second half made the filling process grow by ${figure(told.grown)} bytes of`,
  )
  bench.line('resident memory, in which is what V8 had not given back.')
  bench.line('')
  const index = told.indexBytes / told.entries
  const isWhole = (each: Told) => each.entries === entries && each.found === each.asked
  const seconds = (each: Told) => `${figure(each.recovered / 1000)} s`
  const inTime = (each: Told, most: number) => isWhole(each) && each.recovered < most * 1000
  const most = `<= ${BYTES_PER_ENTRY} bytes`
  claim(bench, 'Index in the store, an entry', `${figure(index)} bytes`, most, index <= BYTES_PER_ENTRY)
  for (const [name, each, limit] of [
    ['Restart after SIGKILL', afterKill.told, SECONDS.killed],
    ['Restart after a clean stop', afterClose.told, SECONDS.clean],
  ] as const) {
    claim(bench, `${name}, all of ${entries} entries`, seconds(each), `< ${limit} s`, inTime(each, limit))
  }
  bench.line('')
  return device
}

/** The smallest size, in steps, whose index has room for so many entries. */
function sizeFor(entries: number): number {
  for (let totalSize = 128 * MIB; ; totalSize += 64 * MIB)
    if (geometryOf({ totalSize, blockSize: BLOCK, sliceSize: 65536 }).capacity >= entries) return totalSize
}

async function start(bench: Bench, job: Job): Promise<{ child: ChildProcess; told: Told }> {
  dropCaches()
  const child = fork(join(import.meta.dirname, 'restart-child.ts'), [JSON.stringify(job)], {
    execArgv: ['--expose-gc'],
  })
  bench.scope.teardown(() => child.kill('SIGKILL'))
  child.once('exit', (code) => code && child.emit('error', new Error('the storing process ended')))
  const [told] = await once(child, 'message')
  return { child, told }
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** Milliseconds that the stop took. */
async function close(child: ChildProcess): Promise<number> {
  const gone = once(child, 'exit')
  child.send('close')
  const [taken] = await once(child, 'message')
  await gone
  return taken
}
