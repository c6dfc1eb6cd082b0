import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import { programPath } from '../helpers/program-path.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { missing, root, run } from './programs.ts'

const folder = join(root, 'deploy/systemd')
const read = (name: string) => readFileSync(join(folder, name), 'utf8')
const units = ['slicestream.service', 'slicestream@.service', 'slicestream.socket']

/** Directives in their order, comments and sections left out. */
function directives(name: string): [string, string][] {
  return read(name)
    .split('\n')
    .filter((line) => /^[A-Za-z]+=/.test(line))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
}

const setting = (name: string, key: string) => directives(name).find(([each]) => each === key)?.[1]

/** A root folder with our units in it, the targets of the system, and stubs of the programs that the units name. */
function systemRoot(t: Scope): string {
  const dir = tempDir(t)
  const into = join(dir, 'etc/systemd/system')
  mkdirSync(into, { recursive: true })
  for (const unit of units) copyFileSync(join(folder, unit), join(into, unit))
  mkdirSync(join(dir, 'usr/lib/systemd/system'), { recursive: true })
  for (const target of globSync('/usr/lib/systemd/system/*.{target,slice,mount}')) {
    copyFileSync(target, join(dir, 'usr/lib/systemd/system', basename(target)))
  }
  for (const program of ['usr/bin/node', 'bin/kill']) {
    mkdirSync(join(dir, program, '..'), { recursive: true })
    writeFileSync(join(dir, program), '#!/bin/sh\n')
    chmodSync(join(dir, program), 0o755)
  }
  mkdirSync(join(dir, 'opt/slicestream'), { recursive: true })
  return dir
}

/** `verify --root` and `security --offline` came with systemd 250. */
const noAnalyze = missing('systemd-analyze') || tooOld()
function tooOld(): string | false {
  const version = execFileSync(programPath('systemd-analyze')!, ['--version'])
    .toString()
    .match(/systemd (\d+)/)?.[1]
  return Number(version) < 250 && `systemd ${version} is older than 250`
}

const verify = (dir: string) =>
  run('systemd-analyze', [
    'verify',
    `--root=${dir}`,
    '--man=no',
    'slicestream.service',
    'slicestream.socket',
    'slicestream@two.service',
  ])

t.test(
  'the units are what systemd understands, with each drop-in as well',
  { skip: noAnalyze },
  async (t) => {
    const dir = systemRoot(t)
    t.match(await verify(dir), { code: 0, stdout: '', stderr: '' })
    const dropIns = globSync('*.conf', { cwd: join(folder, 'drop-ins') })
    t.ok(dropIns.length >= 3)
    for (const dropIn of dropIns) {
      const into = join(dir, 'etc/systemd/system/slicestream.service.d')
      mkdirSync(into, { recursive: true })
      copyFileSync(join(folder, 'drop-ins', dropIn), join(into, dropIn))
      t.match(await verify(dir), { code: 0, stdout: '', stderr: '' }, dropIn)
    }
    t.test('and a misspelt one is not', async (t) => {
      const path = join(dir, 'etc/systemd/system/slicestream.service')
      writeFileSync(path, readFileSync(path, 'utf8').replace('ProtectHome=', 'ProtectHom='))
      t.match((await verify(dir)).stderr, /ProtectHom/)
    })
  },
)

t.test('the exposure is low: 1.5 of 10 at most', { skip: noAnalyze }, async (t) => {
  for (const unit of ['slicestream.service', 'slicestream@.service']) {
    const args = ['security', '--offline=true', '--no-pager', '--threshold=15', join(folder, unit)]
    const { code, stdout, stderr } = await run('systemd-analyze', args)
    t.equal(code, 0, `${unit}: ${stdout.trim().split('\n').at(-1)}${stderr}`)
  }
})

t.test('the template differs from the service in what is named after the instance', async (t) => {
  const [one, many] = ['slicestream.service', 'slicestream@.service'].map((name) => read(name).split('\n'))
  t.equal(one.length, many.length)
  const different = many.filter((line, index) => line !== one[index])
  for (const line of different) t.match(line, /%i/)
  t.same(
    different.map((line) => line.split('=')[0]),
    ['Description', 'EnvironmentFile', 'ExecStart', 'ExecReload', 'SyslogIdentifier'],
  )
})

t.test('what the unit says agrees with the defaults of the configuration', async (t) => {
  const config = loadConfig('upstream_address: origin:80', { file: 'test', env: {} }).config!
  const service = 'slicestream.service'
  t.ok(Number.parseInt(setting(service, 'TimeoutStopSec')!, 10) * 1000 > config.shutdown_timeout_ms)
  t.ok(
    Number(setting(service, 'LimitNOFILE')) >
      2 * (config.client.max_connections + config.upstream.max_connections),
  )
  t.equal(setting('slicestream.socket', 'ListenStream'), config.listen_address)
  t.equal(setting('slicestream.socket', 'FileDescriptorName'), 'proxy')
  t.equal(setting(service, 'Type'), 'notify')
  t.equal(
    setting(service, 'NotifyAccess'),
    'all',
    'systemd-notify speaks for itself, not as the main process',
  )
  t.notOk(setting(service, 'MemoryDenyWriteExecute'), 'V8 compiles at run time')
})

t.test('the commands of the unit run', async (t) => {
  const dir = tempDir(t)
  const config = join(dir, 'config.yaml')
  const [check] = directives('slicestream.service')
    .filter(([key]) => key === 'ExecReload')
    .map(([, value]) => value)
  const start = setting('slicestream.service', 'ExecStart')!
  const here = (command: string) =>
    command
      .replace('/usr/bin/node', process.execPath)
      .replaceAll('/opt/slicestream', root)
      .replace('/etc/slicestream/config.yaml', config)
      .split(' ')
  t.same(here(start), [process.execPath, join(root, 'server.ts'), config])
  const [node, ...args] = here(check)
  writeFileSync(config, 'upstream_address: origin.example.com:80\n')
  t.match(await run(node, args), { code: 0, stdout: 'ok\n' })
  writeFileSync(config, 'upstream_adress: origin.example.com:80\n')
  const refused = await run(node, args)
  t.equal(refused.code, 1, '`systemctl reload` fails and nothing is sent')
  t.match(refused.stderr, /upstream_address/)
})

t.test(
  'the user and the folders are made as they should be',
  {
    skip:
      missing('systemd-sysusers', 'systemd-tmpfiles') ||
      (process.getuid?.() !== 0 && 'only root can give folders away'),
  },
  async (t) => {
    const dir = tempDir(t)
    for (const kind of ['sysusers.d', 'tmpfiles.d']) {
      mkdirSync(join(dir, 'etc', kind), { recursive: true })
      copyFileSync(join(folder, kind, 'slicestream.conf'), join(dir, 'etc', kind, 'slicestream.conf'))
    }
    mkdirSync(join(dir, 'etc/slicestream'), { recursive: true })
    writeFileSync(join(dir, 'etc/slicestream/config.yaml'), '')
    t.equal((await run('systemd-sysusers', [`--root=${dir}`])).code, 0)
    t.match(await run('systemd-tmpfiles', [`--root=${dir}`, '--create', 'slicestream.conf']), {
      code: 0,
      stderr: '',
    })
    const [, , uid, gid] = readFileSync(join(dir, 'etc/passwd'), 'utf8')
      .match(/^slicestream:.*$/m)![0]
      .split(':')
    const modes = Object.fromEntries(
      ['etc/slicestream', 'etc/slicestream/config.yaml', 'var/cache/slicestream', 'var/lib/slicestream'].map(
        (path) => {
          const { mode, uid, gid } = statSync(join(dir, path))
          return [path, [(mode & 0o777).toString(8), String(uid), String(gid)]]
        },
      ),
    )
    t.same(modes, {
      'etc/slicestream': ['750', '0', gid],
      'etc/slicestream/config.yaml': ['640', '0', gid],
      'var/cache/slicestream': ['700', uid, gid],
      'var/lib/slicestream': ['700', uid, gid],
    })
    t.equal(setting('slicestream.service', 'CacheDirectoryMode'), '0700', 'as the unit would make it')
    t.equal(setting('slicestream.service', 'ConfigurationDirectoryMode'), '0750')
  },
)

t.test('the kernel settings are settings, each once', async (t) => {
  const lines = read('sysctl.d/90-slicestream.conf')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  t.ok(lines.length >= 8)
  for (const line of lines) t.match(line, /^[a-z0-9_.-]+ = \d+( \d+)?$/)
  t.equal(new Set(lines.map((line) => line.split(' ')[0])).size, lines.length)
})
