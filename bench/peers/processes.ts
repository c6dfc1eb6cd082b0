import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** What the kernel counts for a tree of processes. One that has just ended counts nothing any more. */

/** A process and all that descend from it, parents first. */
export function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)]
}

function childrenOf(pid: number): number[] {
  const lists = attempt(() =>
    readdirSync(`/proc/${pid}/task`).map((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'),
    ),
  )
  return (lists ?? []).flatMap((list) => list.trim().split(/\s+/).filter(Boolean).map(Number))
}

const ticksPerSecond = Number(
  attempt(() => execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) ?? 100,
)

/** User and system time of these processes so far, microseconds, in steps of a clock tick (10 ms mostly). */
export function cpuOf(pids: readonly number[]): number {
  const ticks = sum(pids, (pid) => {
    // The name in parentheses may hold spaces: proc_pid_stat(5) counts on from its end. utime is field 14, stime 15.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return Number(fields[11]) + Number(fields[12])
  })
  return (ticks / ticksPerSecond) * 1e6
}

/**
 * Microseconds so far in which threads of these processes were ready to run and had no core: others of the machine had it
 * (proc_pid_schedstat, second field); 0 where the kernel does not count it.
 */
export function waitedOf(pids: readonly number[]): number {
  const nanoseconds = sum(pids, (pid) =>
    sum(readdirSync(`/proc/${pid}/task`).map(Number), (task) =>
      Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[1]),
    ),
  )
  return nanoseconds / 1000
}

/** Microseconds so far in which the hypervisor had given this core to somebody else; null: all cores. */
export function stolenFrom(core: number | null): number {
  const line = new RegExp(`^cpu${core ?? ' '} *(.*)$`, 'm')
  const fields = attempt(() => line.exec(readFileSync('/proc/stat', 'utf8'))![1].split(' '))
  // Field 8 of proc_stat(5), in ticks as all of them.
  return (Number(fields?.[7] ?? 0) / ticksPerSecond) * 1e6
}

/** Resident memory of these processes in bytes, now or at its highest. What they share counts for each. */
export function residentOf(pids: readonly number[], which: 'VmRSS' | 'VmHWM'): number {
  return sum(pids, (pid) => {
    const found = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(
      readFileSync(`/proc/${pid}/status`, 'utf8'),
    )
    return Number(found?.[1] ?? 0) * 1024
  })
}

/** The highest resident memory counts from now on (proc_pid_clear_refs(5)). */
export function resetPeakOf(pids: readonly number[]): void {
  for (const pid of pids) attempt(() => writeFileSync(`/proc/${pid}/clear_refs`, '5'))
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + (attempt(() => of(pid)) ?? 0), 0)
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
