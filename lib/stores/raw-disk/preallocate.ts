import fs from 'node:fs'
import { call, codeOf } from '../file/files.ts'
import type { StoreLog } from '../log.ts'
import { pageAligned } from '../slabs.ts'

const WRITE_BYTES = 4 * 1024 * 1024
/** Progress is told after this part of the whole, or after so many milliseconds. */
const TELL_SHARE = 0.1
const TELL_MS = 5000

export interface Growth {
  /** For the log and errors. */
  path: string
  /** The name that the file has until it is complete. */
  now: string
  /** Its length, and the one that it gets, both in whole pages. */
  from: number
  to: number
  log?: StoreLog
}

/**
 * Makes an open file longer by writing zeros, and durable: what is written to it later needs no more room. Progress
 * goes to the log.
 *
 * @throws Error of one sentence with `code` `ENOSPC` and `path`, or the system's; the file then has its former length
 */
export async function preallocate(fd: number, growth: Growth): Promise<void> {
  const { path, now, from, to } = growth
  const needed = to - from
  const free = await freeBytes(now)
  if (free < needed) throw noRoom(path, needed, free)
  try {
    await writeZeros(fd, growth)
    await call((done) => fs.fsync(fd, done))
  } catch (error) {
    await call((done) => fs.ftruncate(fd, from, done)).catch(() => {})
    const code = codeOf(error)
    throw code === 'ENOSPC' || code === 'EDQUOT' ? noRoom(path, needed, await freeBytes(now)) : error
  }
}

async function writeZeros(fd: number, { path, from, to, log }: Growth): Promise<void> {
  const zeros = pageAligned(WRITE_BYTES).fill(0)
  let told = { at: from, time: Date.now() }
  for (let at = from; at < to; ) {
    const length = Math.min(zeros.length, to - at)
    at += await call<number>((done) => fs.write(fd, zeros, 0, length, at, done))
    if (at < to && at - told.at < (to - from) * TELL_SHARE && Date.now() - told.time < TELL_MS) continue
    told = { at, time: Date.now() }
    const percent = Math.floor((100 * at) / to)
    log?.info({ path, bytes: at, totalBytes: to }, `the raw disk is being preallocated: ${percent} %`)
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await call<fs.StatsFs>((done) => fs.statfs(path, done))
  return bavail * bsize
}

function noRoom(path: string, needed: number, free: number): Error {
  const message =
    `no room for ${path}: it needs ${needed} bytes more, and its file system has ${free} free: ` +
    'free some, or choose a smaller total_size or another path'
  return Object.assign(new Error(message), { code: 'ENOSPC', path })
}
