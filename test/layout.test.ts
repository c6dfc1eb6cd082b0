import { globSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, posix } from 'node:path'
import t from 'tap'

// The rooms of the house and which ones (or which single files) each may import, besides its own: see docs/architecture.md.
const mayImport: Record<string, string[]> = {
  server: ['app', 'config', 'life', 'lib/net'],
  life: ['config'],
  app: ['plugins', 'config'],
  config: ['lib/net', 'lib/stores/raw-disk/geometry.ts'],
  plugins: ['lib'],
  'lib/health': ['lib/cache', 'lib/stores'],
  'lib/metrics': ['lib/cache', 'lib/net', 'lib/stores'],
  'lib/purge': ['lib/cache', 'lib/semantics'],
  'lib/status': ['lib/cache', 'lib/net', 'lib/stores'],
  'lib/cache': ['lib/slices', 'lib/stores', 'lib/semantics', 'lib/upstream'],
  'lib/slices': ['lib/stores', 'lib/semantics', 'lib/upstream'],
  'lib/stores': ['lib/semantics'],
  'lib/upstream': ['lib/semantics', 'lib/stores/memory-block.ts'],
  'lib/semantics': [],
  'lib/net': [],
}

// What lib, the engine, must not know: the framework, the configuration's format, the process.
const foreignToLib = /^(fastify|@fastify\/.*|fastify-.*|js-yaml|ajv|pino|close-with-grace|node:process)$/

interface Import {
  from: string
  to: string
}

const root = join(import.meta.dirname, '..')
const files = globSync(['server.ts', 'app.ts', '{config,life,plugins,lib}/**/*.ts'], { cwd: root })

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const specifiers = text.matchAll(
    /^\s*(?:import|export)\b[^'"]*?from\s*['"](.+?)['"]|\bimport\(?\s*['"](.+?)['"]/gm,
  )
  return [...specifiers].map(([, a, b]) => ({ from: file, to: resolve(file, a ?? b) }))
}

function resolve(file: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(dirname(file), specifier) : specifier
}

function roomOf(file: string): string {
  const parts = file.split('/')
  if (parts.length === 1) return parts[0].replace(/\.(ts|json)$/, '')
  return parts[0] === 'lib' ? parts.slice(0, 2).join('/') : parts[0]
}

function allowed({ from, to }: Import): boolean {
  const [mine, theirs] = [roomOf(from), roomOf(to)]
  if (mine === theirs) return true
  return (mayImport[mine] ?? []).some((room) => [theirs, to].includes(room) || theirs.startsWith(`${room}/`))
}

const imports = files.flatMap(importsOf)
const internal = imports.filter(({ to }) => files.includes(to))
const shown = ({ from, to }: Import) => `${from} imports ${to}`

t.test('the reader of imports sees them', async (t) => {
  t.ok(files.length > 10 && internal.length > 10)
  const missing = imports.filter(({ to }) => /\.ts$/.test(to) && !files.includes(to))
  t.same(missing.map(shown), [], 'every relative import is a file of a known room')
})

t.test('imports run downwards only', async (t) => {
  const upwards = internal.filter((each) => !allowed(each))
  t.same(upwards.map(shown), [])
})

t.test('a plugin imports no other plugin: it finds what it needs by decorator', async (t) => {
  const sideways = internal.filter(
    ({ from, to }) =>
      roomOf(from) === 'plugins' && roomOf(to) === 'plugins' && to !== 'plugins/decorators.ts',
  )
  t.same(sideways.map(shown), [])
})

t.test('the engine knows nothing of Fastify, YAML or the process', async (t) => {
  const foreign = imports.filter(({ from, to }) => from.startsWith('lib/') && foreignToLib.test(to))
  t.same(foreign.map(shown), [])
  const process = files.filter(
    (file) =>
      file.startsWith('lib/') &&
      /\bprocess\.(?!nextTick\b)/.test(withoutComments(readFileSync(join(root, file), 'utf8'))),
  )
  t.same(process, [], 'no use of the global either')
})

t.test('semantics imports nothing but itself', async (t) => {
  const others = imports.filter(
    ({ from, to }) =>
      roomOf(from) === 'lib/semantics' && roomOf(to) !== 'lib/semantics' && to !== 'node:crypto',
  )
  t.same(others.map(shown), [])
})

t.test('every package that is imported is declared, and the other way round', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const bare = imports.map(({ to }) => to).filter((to) => !/^node:|\.(ts|json)$/.test(to))
  const packages = [...new Set(bare.map((to) => to.match(/^(@[^/]+\/)?[^/]+/)![0]))].sort()
  t.same(
    packages.filter((name) => builtinModules.includes(name)),
    [],
    'built-in modules are named node:…',
  )
  t.same(packages, Object.keys(dependencies).sort())
})

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
}
