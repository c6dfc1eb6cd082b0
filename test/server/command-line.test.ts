import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { root, runServer } from './run.ts'

const fixtures = join(root, 'test/config/fixtures')

/** A configuration on free ports of the loopback interface, as a file. */
async function configFile(t: Parameters<typeof tempDir>[0], more: Record<string, unknown> = {}) {
  const dir = tempDir(t)
  const [proxy, health, metrics] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`)
  const config = {
    upstream_address: '127.0.0.1:9',
    listen_address: proxy,
    health_endpoint: { address: health },
    metrics_endpoint: { address: metrics },
    l2_cache_dir: join(dir, 'cache'),
    log_level: 'silent',
    ...more,
  }
  const file = join(dir, 'config.yaml')
  writeFileSync(file, JSON.stringify(config))
  return { file, proxy, health, metrics, dir }
}

t.test('--version prints the version of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.match(await runServer(t, ['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
})

t.test('--help names every flag', async (t) => {
  const { code, stdout } = await runServer(t, ['--help'])
  t.equal(code, 0)
  for (const flag of ['CONFIG', '--check-config', '--upstream', '--listen', '--version'])
    t.ok(stdout.includes(flag), flag)
})

t.test("--check-config passes the deployment guide's configurations", async (t) => {
  for (const name of ['guide-file.yaml', 'guide-raw-disk.yaml']) {
    t.match(
      await runServer(t, ['--check-config', join(fixtures, name)]),
      { code: 0, stdout: 'ok\n', stderr: '' },
      name,
    )
  }
})

t.test('--check-config prints every error with its line, and no stack', async (t) => {
  const file = join(tempDir(t), 'bad.yaml')
  writeFileSync(file, 'upstream_address: o:1\nslice_size: 7\n\npruge:\n  enabled: true\n')
  const { code, stdout, stderr } = await runServer(t, ['--check-config', file])
  t.equal(code, 1)
  t.equal(stdout, '')
  t.same(stderr.split('\n'), [
    `${file}:2: slice_size: 7 is not allowed; expected an integer (bytes, 65536 = 64 KiB to 16777216 = 16 MiB)`,
    `${file}:4: pruge: unknown key; the nearest known one is purge`,
    '',
  ])
})

t.test('what cannot start says why in one line and ends with 1', async (t) => {
  const { file, dir, proxy, health, metrics } = await configFile(t)
  const oneLine = async (what: string, args: string[], told: RegExp) => {
    const { code, stderr } = await runServer(t, args)
    t.equal(code, 1, what)
    t.match(stderr, told, what)
    t.equal(stderr.split('\n').length, 2, `${what}: one line`)
  }
  const withConfig = async (more: Record<string, unknown>) => (await configFile(t, more)).file
  mkdirSync(join(dir, 'directory.yaml'))
  writeFileSync(join(dir, 'not-a-directory'), '')

  await oneLine('no argument', [], /^slicestream: no CONFIG given/)
  await oneLine('an unknown flag', ['--frobnicate', file], /^slicestream: Unknown option '--frobnicate'/)
  await oneLine('two files', [file, 'other.yaml'], /^slicestream: one CONFIG only, not also other\.yaml/)
  await oneLine('a missing file', [join(dir, 'none.yaml')], /none\.yaml: no such file$/m)
  await oneLine('a directory', [join(dir, 'directory.yaml')], /directory\.yaml: is a directory$/m)
  await oneLine('a bad flag', [file, '--listen', '8080'], /listen_address: "8080" is not allowed; expected/)
  const noDirectory = await withConfig({ l2_cache_dir: join(dir, 'not-a-directory/cache') })
  await oneLine(
    'a bad directory',
    [noDirectory],
    /^slicestream: cannot use the cache directory .*not-a-directory/,
  )

  for (const [name, address] of Object.entries({ proxy, health, metrics })) {
    const [host, port] = address.split(':')
    const taken = createServer().listen(Number(port), host)
    await new Promise((resolve) => taken.once('listening', resolve))
    await oneLine(
      `port of ${name} in use`,
      [file],
      new RegExp(`EADDRINUSE: address already in use ${address}`),
    )
    await new Promise((resolve) => taken.close(resolve))
  }
})
