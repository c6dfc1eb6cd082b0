import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { childEnv, plain } from '../helpers/child.ts'
import { startOrigin } from '../helpers/origin.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'
import { pageOfOrigin } from './origin.ts'

/** The examples' 100 GiB for a raw disk, and what the test can spare. */
const SMALLER_DISK = ['107374182400', String(64 * 1024 * 1024)] as const

const repository = join(import.meta.dirname, '../..')
const stubs = join(import.meta.dirname, 'machine')

/** Files of the repository that name ports, paths and hosts which are others on this machine. */
const LOCALISED = /^(config|demo|deploy|docker|docs|examples)\/|^[^/]+\.md$/

export interface Outcome {
  /** null: it runs on, as it should. */
  code: number | null
  output: string
}

/**
 * A machine as an operator has it, in a temporary directory: `/etc`, `/opt`, `/var` and `/backup` are directories below it,
 * the ports of the documentation are free ones of 127.0.0.1, `origin.example.com` is a scripted origin, and the working
 * directory is a copy of the repository. `systemctl`, `journalctl`, `sudo`, `chown` and what else `test/docs/machine/` has
 * are stand-ins: a service is a real process there, users and owners are not.
 */
export interface Machine {
  readonly root: string
  /**
   * Runs a script of bash in the working directory. With `background` only until its output is what that waits for, and it runs on until the
   * next one that does so: as if Ctrl-C had been pressed in that terminal.
   */
  run(script: string, background?: (output: string) => boolean): Promise<Outcome>
  /** As the text is on this machine. */
  localise(text: string): string
}

/** @param options installed: the service runs, as docs/operations.md installs it, and takes PURGE with the token `secret` */
export async function startMachine(t: Scope, { installed = false } = {}): Promise<Machine> {
  const root = tempDir(t)
  const ports = await freePorts(6)
  const origin = await startOrigin(t, pageOfOrigin)
  t.teardown(() => endServices(root))
  const localise = localiser(root, ports, origin.port)

  const home = join(root, 'home/slicestream')
  copyRepository(home, localise)
  for (const dir of [
    'bin',
    'etc/systemd/system',
    'etc/sysusers.d',
    'etc/tmpfiles.d',
    'etc/sysctl.d',
    'etc/security/limits.d',
    'opt',
    'var/cache',
    'var/lib',
    'backup',
    'tmp',
  ])
    mkdirSync(join(root, dir), { recursive: true })
  for (const name of readdirSync(stubs).filter((name) => !name.endsWith('.ts'))) {
    copyFileSync(join(stubs, name), join(root, 'bin', name))
  }
  command(root, 'systemctl', `exec ${process.execPath} ${join(stubs, 'systemctl.ts')} "$@"`)

  const env = childEnv({
    MACHINE_ROOT: root,
    MACHINE_REPOSITORY: repository,
    MACHINE_NPM: which('npm'),
    TMPDIR: join(root, 'tmp'),
    SYSTEMD_PAGER: '',
    SYSTEMD_COLORS: '0',
  })
  // What the shell of the test run has been told is not for this machine.
  for (const name of ['NOTIFY_SOCKET', 'PURGE_TOKEN', 'RUST_LOG', 'LOG_LEVEL']) delete env[name]
  env.PATH = `${join(root, 'bin')}${delimiter}${env.PATH}${delimiter}/usr/sbin`

  let terminal: ChildProcess | undefined
  const run: Machine['run'] = async (script, background) => {
    const options: SpawnOptions = { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true }
    if (background) await interrupt(terminal)
    const child = spawn(...plain('bash', ['-euc', localise(script)]), options)
    t.teardown(() => endGroup(child))
    if (background) terminal = child
    return outcome(child, background)
  }
  if (installed) {
    const { code, output } = await run(INSTALL)
    if (code !== 0) throw new Error(`the service was not installed:\n${output}`)
  }
  return { root, localise, run }
}

const INSTALL = `
mkdir -p /etc/slicestream /var/cache/slicestream
ln -s "$PWD" /opt/slicestream
cp deploy/systemd/slicestream.service /etc/systemd/system/
cp examples/file-backend.yaml /etc/slicestream/config.yaml
sed -i 's/^  auth_token: .*/  auth_token: "secret"/; /^purge:/,/enabled/s/enabled: false/enabled: true/' /etc/slicestream/config.yaml
systemctl start slicestream`

async function outcome(child: ChildProcess, background?: (output: string) => boolean): Promise<Outcome> {
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  if (background) {
    await until(() => background(output) || hasEnded(child)).catch(() => {})
    return { code: child.exitCode, output }
  }
  const deadline = setTimeout(endGroup, 300_000, child)
  // Not 'close': what a script has started in the background may keep its output open.
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  clearTimeout(deadline)
  return { code: code ?? 128, output }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Each script is a group of processes, so that all of it is ended with it. */
function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(-pid!, signal)
  } catch {} // has ended
}

async function interrupt(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || hasEnded(child)) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  endGroup(child, 'SIGINT')
  await ended
}

function localiser(root: string, ports: number[], originPort: number): (text: string) => string {
  const port = new Map(
    [8080, 8081, 9090, 18080, 18081, 19090].map((known, i) => [String(known), String(ports[i])]),
  )
  return (text) =>
    text
      .replace(/\b(1?808[01]|1?9090)\b/g, (known) => port.get(known)!)
      .replace(/\bhttps?:\/\/origin\.example\.com\b(:\d+)?/g, `http://127.0.0.1:${originPort}`)
      .replace(/\borigin\.example\.com\b(:\d+)?/g, `127.0.0.1:${originPort}`)
      .replaceAll('0.0.0.0', '127.0.0.1')
      .replaceAll(...SMALLER_DISK)
      .replaceAll('/usr/bin/node', process.execPath)
      .replace(/(?<![\w./}*\])-])\/(etc|opt|var|backup)(?=[/\s"'`,;)]|$)/gm, `${root}/$1`)
}

/** What belongs to the repository, and its modules. */
function copyRepository(to: string, localise: (text: string) => string): void {
  const left = new Set(['node_modules', 'dist', '.git', '.tap', 'test'])
  const files = globSync('{.,}*/**', { cwd: repository, exclude: (name) => left.has(name.split('/')[0]) })
  for (const file of [...files, ...readdirSync(repository)]) {
    const from = join(repository, file)
    if (left.has(file.split('/')[0]) || !statSync(from).isFile()) continue
    mkdirSync(dirname(join(to, file)), { recursive: true })
    copyFileSync(from, join(to, file))
    if (LOCALISED.test(file) && !/\.(png|svg|gz)$/.test(file))
      writeFileSync(join(to, file), localise(readFileSync(from, 'utf8')))
  }
  symlinkSync(join(repository, 'node_modules'), join(to, 'node_modules'))
  if (which('git') === '') return
  const git = (...args: string[]) => execFileSync('git', args, { cwd: to })
  git('init', '--quiet')
  writeFileSync(join(to, '.git/info/exclude'), 'node_modules\n')
  git('add', '--all')
  git(
    '-c',
    'user.name=docs',
    '-c',
    'user.email=docs@localhost',
    'commit',
    '--quiet',
    '--message=the version to be installed',
  )
}

function command(root: string, name: string, line: string): void {
  const file = join(root, 'bin', name)
  writeFileSync(file, `#!/bin/sh\n${line}\n`)
  chmodSync(file, 0o755)
}

/** The path of a command; '' when there is none. */
export function which(name: string): string {
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${process.env.PATH}${delimiter}/usr/sbin:/sbin` },
    }).trim()
  } catch {
    return ''
  }
}

function endServices(root: string): void {
  const dir = join(root, 'pids')
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    try {
      process.kill(Number(readFileSync(join(dir, name), 'utf8')), 'SIGKILL')
    } catch {} // has ended
  }
}
