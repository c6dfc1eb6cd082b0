import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { missing } from '../deploy/programs.ts'
import { plain } from '../helpers/child.ts'
import { programPath } from '../helpers/program-path.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'

/** What a command in a container gets. */
export interface Setting {
  env: Record<string, string>
  cwd: string
  /** `uid:gid`; root without. */
  user?: string
}

export interface Running {
  readonly process: ChildProcess
  /** Of the command itself, as this machine sees it; it is 1 to itself. */
  pid(): number
  readonly output: string
  readonly exited: Promise<number | null>
}

/** Folders of this machine that stand for the base image's, under the same names. */
const system = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']
const etc = ['passwd', 'group', 'hosts', 'resolv.conf', 'nsswitch.conf']

/** Why containers cannot be imitated here; false when they can. */
export function noContainers(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root of a Linux can do it'
  try {
    execFileSync('unshare', ['--mount', '--pid', '--fork', 'true'], { stdio: 'ignore' })
    return missing('chroot', 'setpriv')
  } catch {
    return 'unshare(1) is not there or not allowed'
  }
}

/**
 * An empty folder that can be the root of a container: this machine's /usr to read, the Node of this test and its npm first
 * in PATH, as the base image has them in /usr/local/bin.
 */
export function createRoot(t: Scope): string {
  const dir = tempDir(t)
  chmodSync(dir, 0o755)
  for (const name of ['usr', 'proc', 'dev', 'etc/ssl', 'base/bin', 'base/npm', 'base/cache', 'var', 'opt']) {
    mkdirSync(join(dir, name), { recursive: true })
  }
  mkdirSync(join(dir, 'tmp'))
  chmodSync(join(dir, 'tmp'), 0o1777)
  for (const name of system) {
    if (!existsSync(`/${name}`)) continue
    if (lstatSync(`/${name}`).isSymbolicLink()) symlinkSync(readlinkSync(`/${name}`), join(dir, name))
    else mkdirSync(join(dir, name))
  }
  for (const name of etc.filter((name) => existsSync(`/etc/${name}`))) {
    copyFileSync(`/etc/${name}`, join(dir, 'etc', name))
  }
  writeFileSync(join(dir, 'base/bin/node'), '')
  writeFileSync(join(dir, 'base/bin/npm'), '#!/bin/sh\nexec node /base/npm/bin/npm-cli.js "$@"\n')
  chmodSync(join(dir, 'base/bin/npm'), 0o755)
  return dir
}

/** Starts a command as process 1 of namespaces of its own, with `root` as its file system. */
export function start(t: Scope, root: string, command: string[], { env, cwd, user }: Setting): Running {
  const npm = join(realpathSync(programPath('npm')!), '../..')
  const cache = execFileSync(programPath('npm')!, ['config', 'get', 'cache'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const binds = [
    ['/usr', 'usr'],
    ['/etc/ssl', 'etc/ssl'],
    ['/dev', 'dev'],
    [process.execPath, 'base/bin/node'],
    [npm, 'base/npm'],
    [cache.toString().trim(), 'base/cache'],
    ...system
      .filter((name) => existsSync(join(root, name)) && !lstatSync(join(root, name)).isSymbolicLink())
      .map((name) => [`/${name}`, name]),
  ].filter(([from]) => existsSync(from))
  const script = [
    'set -e',
    // Mounting is for a namespace of its own only.
    `[ "$(readlink /proc/self/ns/mnt)" != "${readlinkSync('/proc/self/ns/mnt')}" ]`,
    ...binds.map(([from, to]) => `mount --rbind '${from}' '${join(root, to)}'`),
    `mount -t proc proc '${join(root, 'proc')}'`,
    `exec chroot --userspec=${user ?? '0:0'} --groups= '${root}' sh -c 'cd "$1"; shift; exec "$@"' sh "$@"`,
  ].join('\n')
  const kept = Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name))
  // Whatever ends this test ends unshare, and that ends what it started.
  const namespaces = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child']
  const child = spawn(...plain('setpriv', [...namespaces, 'sh', '-c', script, 'sh', cwd, ...command]), {
    env: {
      ...Object.fromEntries(kept),
      PATH: '/base/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/tmp',
      npm_config_cache: '/base/cache',
      npm_config_prefer_offline: 'true',
      npm_config_update_notifier: 'false',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  t.teardown(() => {
    if (child.exitCode === null) child.kill('SIGKILL')
    return exited
  })
  return {
    process: child,
    pid: () => Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')),
    get output() {
      return output
    },
    exited,
  }
}
