import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Does work that takes a minute or so while holding the lock of BENCH_LOCK, if there is one (see `inTurn`). */
export async function withTurn<T>(work: () => Promise<T>): Promise<T> {
  const lock = process.env.BENCH_LOCK
  if (lock === undefined) return work()
  // The lock is held as long as this command runs, which is until its input ends: also if this process is killed.
  const holder = spawn('flock', [lock, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  try {
    return await work()
  } finally {
    holder.stdin.end()
    await once(holder, 'exit')
  }
}
