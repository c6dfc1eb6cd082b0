import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { plain } from '../helpers/child.ts'
import { startOrigin } from '../helpers/origin.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { type Run, root, runNode } from '../server/run.ts'
import { type Block, fencedBlocks } from './blocks.ts'
import { pageOfOrigin } from './origin.ts'
import { probes } from './probes.ts'

/**
 * Each program of docs/embedding.md and of the README is run as it stands there, but for ports, paths below /var and /etc, and the name of the origin, and
 * is then asked what the page says of it (`probes.ts`).
 */

/** Run by test/demo/routes.test.ts. */
const ELSEWHERE = 'the same as demo/routes.ts'
const programs = ['README.md', 'docs/embedding.md']
  .flatMap((page) => fencedBlocks(page, readFileSync(join(root, page), 'utf8')))
  .filter(({ language, marker }) => language === 'ts' && marker !== ELSEWHERE)

t.test('every program has a name and somebody who asks it', async (t) => {
  const names = programs.map(nameOf)
  t.same(names.toSorted(), Object.keys(probes).toSorted())
})

t.test('every plugin of the package is in a program', async (t) => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const text = programs.map((program) => program.text).join('\n')
  for (const name of Object.keys(exports).filter((name) => !/^\.\/(app|package\.json)$/.test(name)))
    t.ok(text.includes(`'${name.replace(/^\./, 'slicestream')}'`), name)
})

t.test('the programs are right for a strict compiler', { timeout: 400_000 }, async (t) => {
  const dir = tempDir(t)
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
  for (const program of programs) writeFileSync(join(dir, `${nameOf(program)}.ts`), program.text)
  writeFileSync(
    join(dir, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
        paths: { slicestream: [join(root, 'app.ts')], 'slicestream/*': [join(root, 'plugins/*.ts')] },
      },
      include: ['*.ts'],
      exclude: [],
    }),
  )
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }')
  const [command, args] = plain(join(root, 'node_modules/.bin/tsc'), ['-p', '.'])
  const { stdout = '' } = await promisify(execFile)(command, args, { cwd: dir }).catch((error) => error)
  // Of the programs alone: the suite itself is checked by `npm run check`.
  t.same(
    stdout.split('\n').filter((line: string) => /^[\w-]+\.ts\(/.test(line)),
    [],
  )
})

for (const program of programs) {
  const name = nameOf(program)
  if (name === null || !Object.hasOwn(probes, name)) continue // failed above
  t.test(`${name}, ${program.file}:${program.line}`, async (t) => {
    const { url, origin, run } = await start(t, program)
    await probes[name](t, { url, origin, run })
  })
}

function nameOf({ marker }: Block): string | null {
  return /^service: ([\w-]+)$/.exec(marker ?? '')?.[1] ?? null
}

async function start(t: Test & Scope, program: Block) {
  const origin = await startOrigin(t, pageOfOrigin)
  const dir = tempDir(t)
  linkModules(dir)
  for (const made of ['var/cache/my-service', 'etc/slicestream'])
    mkdirSync(join(dir, made), { recursive: true })
  const config = {
    upstream_address: origin.url,
    listen_address: '127.0.0.1:0',
    l2_cache_dir: join(dir, 'cache'),
    health_endpoint: { address: '127.0.0.1:0' },
    metrics_endpoint: { address: '127.0.0.1:0' },
  }
  writeFileSync(join(dir, 'etc/slicestream/config.yaml'), JSON.stringify(config))
  const text = program.text
    .replace(/'slicestream\/([\w-]+)'/g, `'${root}/plugins/$1.ts'`)
    .replaceAll("'slicestream'", `'${root}/app.ts'`)
    .replaceAll('https://origin.example.com', origin.url)
    .replace(/'\/(var|etc)\//g, `'${dir}/$1/`)
    .replaceAll('107374182400', String(64 * 1024 * 1024))
    .replaceAll('port: 8080', "host: '127.0.0.1', port: 0")
  writeFileSync(
    join(dir, 'service.ts'),
    `${text}\nconsole.log(\`listens on \${fastify.addresses()[0].port}.\`)\n`,
  )
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }')
  const run: Run = runNode(t, [join(dir, 'service.ts')])
  await run.until('listens on')
  const [, port] = /listens on (\d+)\./.exec(run.output.stdout)!
  return { url: `http://127.0.0.1:${port}`, origin, run }
}

function linkModules(dir: string): void {
  mkdirSync(join(dir, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules')).filter((name) => !name.startsWith('.')))
    symlinkSync(join(root, 'node_modules', name), join(dir, 'node_modules', name))
}
