/**
 * systemctl for services that are children of a test: does what the unit file says, no more. Units are in
 * $MACHINE_ROOT/etc/systemd/system, what they write goes to $MACHINE_ROOT/journal, their ids to $MACHINE_ROOT/pids, what
 * they notify to $MACHINE_ROOT/notified: `start` and `reload` wait for READY=1, as for Type=notify.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const root = process.env.MACHINE_ROOT!
const [verb, ...names] = process.argv.slice(2).filter((argument) => !argument.startsWith('-'))
const isNow = process.argv.includes('--now')

const verbs: Record<string, (name: string) => unknown> = {
  enable: (name) => unit(name) && isNow && start(name),
  disable: (name) => unit(name) && isNow && stop(name),
  start,
  stop,
  restart: async (name) => {
    await stop(name)
    await start(name)
  },
  async reload(name) {
    const pid = mainPid(name)
    if (pid === null) throw new Error(`${name}.service is not active, cannot reload.`)
    const before = notified(name).length
    for (const command of settings(name, 'ExecReload'))
      execFileSync('/bin/sh', ['-c', command.replaceAll('$MAINPID', String(pid))], { stdio: 'inherit' })
    await untilReady(name, pid, before)
  },
  status(name) {
    const pid = mainPid(name)
    console.log(`● ${name}.service - ${only(name, 'Description')}`)
    console.log(pid === null ? '     Active: inactive (dead)' : '     Active: active (running)')
    if (pid === null) process.exitCode = 3
    else console.log(`   Main PID: ${pid} (node)`)
  },
  cat: (name) => console.log(unit(name)),
  // Of `show -p MainPID --value`; the property's name is no unit.
  show: (name) => name === 'MainPID' || console.log(mainPid(name) ?? 0),
  'is-active': (name) => console.log(mainPid(name) === null ? 'inactive' : 'active'),
}

try {
  if (verb === 'daemon-reload') process.exit(0)
  if (!Object.hasOwn(verbs, verb)) throw new Error(`${verb}: not on this machine`)
  for (const name of names) await verbs[verb](name.replace(/\.service$/, ''))
} catch (error) {
  console.error(`systemctl: ${(error as Error).message}`)
  process.exitCode = 1
}

/** Of `NAME.service`, or for `NAME@INSTANCE` of the template. */
function unit(name: string): string {
  const [template, instance = ''] = name.split(/(?<=@)/)
  const file = join(root, 'etc/systemd/system', `${template}.service`)
  if (!existsSync(file)) throw new Error(`Unit ${template}.service could not be found.`)
  return readFileSync(file, 'utf8').replaceAll('%i', instance)
}

function settings(name: string, key: string): string[] {
  return [...unit(name).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)
}

function only(name: string, key: string): string {
  const [value] = settings(name, key)
  if (value === undefined) throw new Error(`${name}.service has no ${key}`)
  return value
}

function mainPid(name: string): number | null {
  const file = join(root, 'pids', name)
  if (!existsSync(file)) return null
  const pid = Number(readFileSync(file, 'utf8'))
  return isRunning(pid) ? pid : null
}

/** A zombie is nobody's any more: its parent, this program of an earlier call, has ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function start(name: string): Promise<void> {
  if (mainPid(name) !== null) return
  for (const dir of ['journal', 'pids', 'notified']) mkdirSync(join(root, dir), { recursive: true })
  for (const dir of settings(name, 'CacheDirectory'))
    mkdirSync(join(root, 'var/cache', dir), { recursive: true })
  for (const dir of settings(name, 'StateDirectory'))
    mkdirSync(join(root, 'var/lib', dir), { recursive: true })
  const journal = openSync(join(root, 'journal', name), 'a')
  const before = notified(name).length
  const [directory = root] = settings(name, 'WorkingDirectory')
  const child = spawn('/bin/sh', ['-c', `exec ${only(name, 'ExecStart')}`], {
    cwd: directory,
    env: { ...process.env, ...environment(name), MACHINE_UNIT: name, NOTIFY_SOCKET: '/run/systemd/notify' },
    stdio: ['ignore', journal, journal],
    detached: true,
  })
  child.unref()
  writeFileSync(join(root, 'pids', name), String(child.pid))
  await untilReady(name, child.pid!, before)
}

/** Waits for READY=1 among what the service notifies from `before` on. */
async function untilReady(name: string, pid: number, before: number): Promise<void> {
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline && isRunning(pid)) {
    if (notified(name).slice(before).includes('READY=1')) return
    await wait(20)
  }
  const journal = readFileSync(join(root, 'journal', name), 'utf8')
  throw new Error(`Job for ${name}.service failed:\n${journal.slice(-2000)}`)
}

function notified(name: string): string {
  const file = join(root, 'notified', name)
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

function environment(name: string): Record<string, string> {
  const files = settings(name, 'EnvironmentFile')
    .map((file) => file.replace(/^-/, ''))
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
  const text = [...settings(name, 'Environment'), ...files].join('\n')
  return Object.fromEntries(
    [...text.matchAll(/^"?([A-Z_]\w*)=(.*?)"?$/gm)].map(([, key, value]) => [key, value]),
  )
}

async function stop(name: string): Promise<void> {
  const pid = mainPid(name)
  if (pid !== null) process.kill(pid, 'SIGTERM')
  const deadline = Date.now() + 30_000
  while (pid !== null && isRunning(pid)) {
    if (Date.now() > deadline) throw new Error(`${name}.service does not end`)
    await wait(20)
  }
  rmSync(join(root, 'pids', name), { force: true })
}
