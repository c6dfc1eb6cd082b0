import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { formatErrors, loadConfig } from '../../config/load.ts'
import { pluginOptions } from '../../config/options.ts'
import { type Config, type KeySchema, schema } from '../../config/schema.ts'

const ok = 'upstream_address: origin.example.com:80\n'
const options = { file: '/etc/slicestream/config.yaml', env: {} }

function errorsOf(text: string, more: Partial<Parameters<typeof loadConfig>[1]> = {}): string[] {
  const { errors } = loadConfig(text, { ...options, ...more })
  return errors ? formatErrors(errors, 'c.yaml').split('\n') : []
}

function configOf(text: string, more: Partial<Parameters<typeof loadConfig>[1]> = {}): Config {
  const { config, errors } = loadConfig(text, { ...options, ...more })
  if (errors) throw new Error(formatErrors(errors, 'c.yaml'))
  return config
}

t.test("both configurations of pingora-slice's deployment guide pass unchanged", async (t) => {
  const [file, raw] = ['guide-file.yaml', 'guide-raw-disk.yaml'].map((name) =>
    configOf(readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8')),
  )
  t.match(file, {
    l2_backend: 'file',
    upstream_address: 'origin.example.com:80',
    l2_cache_dir: '/var/cache/pingora-slice',
  })
  t.match(raw, { l2_backend: 'raw_disk', raw_disk_cache: { total_size: 107374182400, use_direct_io: true } })
})

t.test('every key that the file leaves out has its default', async (t) => {
  const config = configOf(ok)
  function check(section: KeySchema, values: Record<string, unknown>, path: string) {
    for (const [name, key] of Object.entries(section.properties ?? {})) {
      const value = values[name]
      if (path + name === 'upstream_address') continue
      if (key.properties && value !== null) check(key, value as Record<string, unknown>, `${path}${name}.`)
      else t.same(value, key.default, path + name)
    }
  }
  check(schema, config, '')
  t.equal(config.upstream.connect_timeout_ms, 5000)
})

t.test('all errors are told at once, each with key, value, limit and line', async (t) => {
  const text = `# a comment
slice_sise: 1
slice_size: 1000
cache_ttl: "1h"
log_level: 5
upstream:
  tls_verify: yes
  connect_timeout: 4
raw_disk_cache:
  block_size: 3000
  total_size: 1
trusted_proxies:
  - 10.0.0.0/8
  - 10.0.0.0/33
health_endpoint:
  address: "8081"
upstream_address: ftp://origin/
`
  t.same(errorsOf(text), [
    'c.yaml:2: slice_sise: unknown key; the nearest known one is slice_size',
    'c.yaml:3: slice_size: 1000 is not allowed; expected an integer (bytes, 65536 = 64 KiB to 16777216 = 16 MiB)',
    'c.yaml:4: cache_ttl: "1h" is not allowed; expected an integer (seconds, at least 0)',
    'c.yaml:5: log_level: 5 is not allowed; expected one of trace, debug, info, warn, error, fatal, silent',
    'c.yaml:7: upstream.tls_verify: "yes" is not allowed; expected true or false',
    'c.yaml:8: upstream.connect_timeout: unknown key; the nearest known one is upstream.connect_timeout_ms',
    'c.yaml:10: raw_disk_cache.block_size: 3000 is not allowed; expected one of 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576',
    'c.yaml:11: raw_disk_cache.total_size: 1 is not allowed; expected an integer (bytes, at least 1048576 = 1 MiB)',
    'c.yaml:14: trusted_proxies.1: "10.0.0.0/33" is not allowed; expected an IP address or a CIDR block',
    'c.yaml:16: health_endpoint.address: "8081" is not allowed; expected `host:port` or `[v6]:port`',
    'c.yaml:17: upstream_address: "ftp://origin/" is not allowed; expected `host:port` or `http(s)://host:port`',
  ])
})

t.test('a key written twice is an error that names both lines', async (t) => {
  t.same(errorsOf(`${ok}cache_ttl: 1\npurge:\n  enabled: false\n  "enabled": false\ncache_ttl: 2\n`), [
    'c.yaml:5: purge.enabled: written twice, first on line 4',
    'c.yaml:6: cache_ttl: written twice, first on line 2',
  ])
})

t.test('a text that is not one YAML mapping is refused with its line', async (t) => {
  t.match(errorsOf('a: [1\nb: 2\n'), [/^c\.yaml:2: not valid YAML: /])
  t.match(errorsOf(`${ok}x: "open\n`), [/^c\.yaml:\d: not valid YAML: /])
  t.match(errorsOf(`${ok}---\n${ok}`), [/^c\.yaml:2: not valid YAML: more than one document/])
  t.match(errorsOf('- a\n- b\n'), [/^c\.yaml:1: the file must be a mapping/])
  t.match(errorsOf(`${ok}? {a: 1}\n: 2\n`), [/^c\.yaml:1: not valid YAML/], 'told at its mapping')
})

t.test('a key of another section is recognised by its name', async (t) => {
  t.match(errorsOf(`${ok}tls_verify: true\n`), [
    /:2: tls_verify: unknown key; the nearest known one is upstream\.tls_verify/,
  ])
})

t.test('a section left empty is an error, not a crash', async (t) => {
  t.match(errorsOf(`${ok}purge:\nmetrics_endpoint:\n`), [
    /:2: purge: null .* a section/,
    /:3: metrics_endpoint: null/,
  ])
})

t.test('keys that contradict each other', async (t) => {
  t.match(errorsOf(`${ok}l2_backend: raw_disk\n`), [
    /:2: l2_backend: "raw_disk" needs the section raw_disk_cache/,
  ])
  t.match(errorsOf(`${ok}l2_backend: raw_disk\nenable_l2_cache: false\n`), [])
  t.match(errorsOf(`${ok}raw_disk_cache:\n  total_size: 1048576\n  block_size: 131072\n`), [
    /:3: .*1048576 is less than 10 blocks/,
  ])
  t.match(errorsOf(`${ok}l2_cache_size_bytes: 1048576\nslice_size: 2097152\n`), [
    /:2: l2_cache_size_bytes: 1048576 cannot hold/,
  ])
  t.match(errorsOf(`${ok}health_endpoint: {address: "127.0.0.1:9090"}\n`), [
    /:2: metrics_endpoint\.address.*taken by health_endpoint/,
  ])
  t.match(errorsOf(`${ok}metrics_endpoint: {address: "127.0.0.1:8080"}\n`), [/:2: .*taken by listen_address/])
  t.same(errorsOf(`${ok}metrics_endpoint: {address: "127.0.0.1:8080", enabled: false}\n`), [])
  t.same(
    errorsOf(`${ok}metrics_endpoint: {address: "127.0.0.1:0"}\nhealth_endpoint: {address: "127.0.0.1:0"}\n`),
    [],
  )
})

t.test('a raw disk must hold the regions that its slices need', async (t) => {
  const raw = (total: number, more = '') =>
    errorsOf(
      `${ok}l2_backend: raw_disk\nraw_disk_cache:\n  block_size: 4096\n  total_size: ${total}\n${more}`,
    )
  const told = raw(2097152)
  t.match(told, [
    /^c\.yaml:5: raw_disk_cache\.total_size: 2097152 is not possible: .* it must be at least \d+ bytes \(\d+ MiB\)$/,
  ])
  t.equal(told.length, 1)
  const [, smallest] = /at least (\d+) bytes/.exec(told[0])!
  t.same(raw(Number(smallest)), [], 'the size that it names will do')
  t.match(raw(Number(smallest), 'slice_size: 16777216\n'), [/:5: .*slices of 16777216 bytes/])
  t.match(raw(20 * 1024 ** 4), [/:5: .*needs a block_size of at least 8192 bytes/])
  t.same(raw(2097152, 'enable_l2_cache: false\n'), [], 'nothing is asked of what is not used')
})

t.test('every key of the raw disk reaches its plugin', async (t) => {
  const on = configOf(`${ok}l2_backend: raw_disk\nraw_disk_cache: {device_path: /dev/x}\nslice_size: 65536\n`)
  t.same(pluginOptions(on).l2RawDisk, {
    devicePath: '/dev/x',
    totalSize: 10737418240,
    blockSize: 4096,
    sliceSize: 65536,
    directIo: true,
    compression: true,
    prefetch: true,
    zeroCopy: true,
    secondHitAdmission: false,
    format: false,
    waitForOwner: false,
    selfTest: false,
  })
  t.equal(pluginOptions(on).l2File, null)
  t.ok(pluginOptions({ ...on, listen_reuse_port: true }).l2RawDisk!.waitForOwner)
  const keys = {
    use_direct_io: 'directIo',
    enable_compression: 'compression',
    enable_prefetch: 'prefetch',
    enable_zero_copy: 'zeroCopy',
    second_hit_admission: 'secondHitAdmission',
    format: 'format',
    self_test: 'selfTest',
  } as const
  for (const [key, option] of Object.entries(keys)) {
    const before = pluginOptions(on).l2RawDisk!
    const flipped = configOf(
      `${ok}l2_backend: raw_disk\nraw_disk_cache: {device_path: /dev/x, ${key}: ${!before[option]}}\nslice_size: 65536\n`,
    )
    t.same(pluginOptions(flipped).l2RawDisk, { ...before, [option]: !before[option] }, key)
  }
  for (const off of ['enable_cache: false', 'enable_l2_cache: false', 'l2_backend: file']) {
    const text = `${ok}raw_disk_cache: {}\n${off.startsWith('l2') ? off : `l2_backend: raw_disk\n${off}`}\n`
    t.equal(pluginOptions(configOf(text)).l2RawDisk, null, off)
  }
})

t.test('an upstream that is the proxy itself is refused, also by default', async (t) => {
  t.match(errorsOf(''), [/^c\.yaml: upstream_address: "127\.0\.0\.1:8080" is this proxy itself/])
  t.match(errorsOf('upstream_address: http://[::1]:8080\n'), [/:1: upstream_address.* is this proxy itself/])
  t.same(errorsOf('upstream_address: 127.0.0.1:8082\n'), [])
})

t.test('purge without a token is refused unless only this machine can reach it', async (t) => {
  const purge = `${ok}purge:\n  enabled: true\n`
  t.match(errorsOf(purge), [/:3: purge\.enabled: true needs purge\.auth_token or PURGE_TOKEN/])
  t.match(errorsOf(`${purge}  auth_token: ""\n`), [/:4: purge\.auth_token: /])
  t.same(errorsOf(`${purge}listen_address: 127.0.0.1:8080\n`), [])
  t.equal(configOf(`${purge}  auth_token: a\n`, { env: { PURGE_TOKEN: 'b' } }).purge.auth_token, 'b')
  t.match(errorsOf(purge, { env: { PURGE_TOKEN: '' } }), [/needs purge\.auth_token/], 'empty is unset')
})

t.test('a token is never shown in a message', async (t) => {
  t.match(errorsOf(`${ok}purge: {auth_token: 81726354}\n`), [
    /^c\.yaml:2: purge\.auth_token: the value is not allowed/,
  ])
})

t.test('nor a value that was put where the token should not be, or that YAML stumbles over', async (t) => {
  const written = [
    'purge: SECRET',
    'purge: [SECRET]',
    'purge:\n  SECRET',
    'purge:\n  auth_token: [SECRET]',
    'purge:\n  auth_token: {SECRET: 1}',
    'purge:\n  auth_token: *SECRET',
    'purge:\n  auth_token: !SECRET x',
    'purge:\n  auth_token: !SECRET!y x',
    'purge:\n  auth_token: !SEC{RET x',
    'purge:\n  auth_token: @SECRET',
    'purge: {auth_token: *SECRET}',
    '{"purge": {\n"auth_token": *SECRET}}',
  ]
  for (const text of written) {
    const [first, ...rest] = errorsOf(`${text}\n`)
    t.match(first, /^c\.yaml:\d: (purge.*: the value is not allowed|not valid YAML: \w)/, text)
    t.notMatch([first, ...rest].join(' '), /SEC/, text)
  }
  t.match(
    errorsOf('purge: {}\nupstream_address: *other\n'),
    [/unidentified alias "other"/],
    'what is no secret is',
  )
})

t.test('what runs with an origin of its own is not given a file that names none', async (t) => {
  const running = { upstream_address: 'https://origin.example' }
  t.match(errorsOf('log_level: info\n', { running }), [
    /^c\.yaml: upstream_address: missing, while "https:\/\/origin\.example" is in use/,
  ])
  t.equal(errorsOf('', { running }).length, 1)
  t.same(errorsOf('upstream_address: 127.0.0.1:8082\n', { running }), [])
  t.same(errorsOf('', { running, overrides: { upstream_address: '127.0.0.1:8082' } }), [])
  const byDefault = { upstream_address: '127.0.0.1:8080' }
  t.same(errorsOf('listen_address: 127.0.0.1:1\n', { running: byDefault }), [])
})

t.test('relative paths are relative to the file', async (t) => {
  const config = configOf(
    `${ok}l2_cache_dir: cache\nraw_disk_cache: {device_path: ../raw}\npurge: {bans_file: bans}\n`,
  )
  t.equal(config.purge.bans_file, '/etc/slicestream/bans')
  t.equal(config.l2_cache_dir, '/etc/slicestream/cache')
  t.equal(config.raw_disk_cache?.device_path, '/etc/raw')
})

t.test('the log level comes from the file, then LOG_LEVEL, then RUST_LOG', async (t) => {
  const level = (text: string, env: Record<string, string>) => configOf(ok + text, { env }).log_level
  t.equal(level('', {}), 'info')
  t.equal(level('', { RUST_LOG: 'off' }), 'silent')
  t.equal(level('', { RUST_LOG: 'warn', LOG_LEVEL: 'ERROR' }), 'error')
  t.equal(level('', { RUST_LOG: 'warn', LOG_LEVEL: 'loud' }), 'warn')
  t.equal(level('log_level: fatal\n', { LOG_LEVEL: 'debug' }), 'fatal')
})

t.test('flags win over the file, and errors they cause name no line of it', async (t) => {
  const overrides = { upstream_address: 'https://other.example', listen_address: '127.0.0.1:1' }
  t.match(configOf(ok, { overrides }), overrides)
  t.match(errorsOf(ok, { overrides: { upstream_address: 'nonsense' } }), [
    /^c\.yaml: upstream_address: "nonsense"/,
  ])
})
