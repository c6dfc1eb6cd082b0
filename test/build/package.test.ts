import { execFile, spawn } from 'node:child_process'
import { accessSync, constants, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { childEnv, plain } from '../helpers/child.ts'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { tempDir } from '../helpers/scope.ts'

const root = join(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const env = childEnv()
const run = (cwd: string, command: string, ...args: string[]) =>
  promisify(execFile)(...plain(command, args), { cwd, env })

t.test('the packed package works in somebody else’s service', { timeout: 600_000 }, async (t) => {
  const scratch = tempDir(t)
  const installed = join(scratch, 'node_modules/slicestream')
  const { stdout } = await run(root, 'npm', 'pack', '--json', '--pack-destination', scratch)
  // prepack's output comes before the JSON.
  const packed = JSON.parse(stdout.slice(stdout.search(/^[[{]\s*$/m)))
  const { filename, files } = (Array.isArray(packed) ? packed : Object.values(packed))[0]

  t.test('it contains what is needed and nothing else', async (t) => {
    const paths: string[] = files.map((file: { path: string }) => file.path)
    const expected =
      /^(dist\/.*\.(js|d\.ts)|dist\/status\/.*\.(html|css|js)|(docs|deploy)\/.*|(config|examples)\/.*\.yaml|package\.json|(README(\.zh-CN)?|CHANGELOG|SECURITY)\.md|LICENSE)$/
    t.same(
      paths.filter((path) => !expected.test(path)),
      [],
    )
    t.ok(
      paths.includes('dist/server.js') &&
        paths.includes('dist/status/page.html') &&
        paths.includes('LICENSE'),
    )
  })

  t.test('npm installs it, with all that exports and bin name', async (t) => {
    writeFileSync(join(scratch, 'package.json'), '{ "private": true, "type": "module" }\n')
    const quiet = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund']
    await run(scratch, 'npm', 'install', ...quiet, join(scratch, filename))
    const { exports, bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    const targets = Object.values(exports as Record<string, string | object>).flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target),
    )
    for (const target of targets) t.ok(existsSync(join(installed, target)), target)
    accessSync(join(installed, bin.slicestream), constants.X_OK)
    const command = join(scratch, 'node_modules/.bin/slicestream')
    t.match((await run(scratch, command, '--version')).stdout, version)
  })

  t.test('its declarations type-check in a strict consumer', async (t) => {
    for (const file of ['service.ts', 'tsconfig.json']) {
      copyFileSync(join(import.meta.dirname, 'consumer', file), join(scratch, file))
    }
    const types = ['--typeRoots', join(root, 'node_modules/@types')]
    const tsc = join(root, 'node_modules/.bin/tsc')
    const result = await run(scratch, tsc, '-p', scratch, ...types).catch((error) => error)
    t.equal(result.stdout, '')
  })

  t.test('its plugins serve a MISS, then a HIT, of the origin and of a route of the service', async (t) => {
    const file = bytesOf(1, 3_000_000)
    const origin = await fileOrigin(t, { '/file': file })
    const service = spawn(...plain(process.execPath, ['service.ts', origin.url]), { cwd: scratch, env })
    t.teardown(() => service.kill())
    let errors = ''
    service.stderr.on('data', (text) => (errors += text))
    const line = await createInterface(service.stdout)[Symbol.asyncIterator]().next()
    if (line.done) throw new Error(`the service said nothing: ${errors}`)
    const { url, requests } = JSON.parse(line.value)
    t.equal(requests, 0)

    for (const expected of ['MISS', 'HIT']) {
      t.equal((await get(`${url}/cached`)).header('x-cache'), expected)
      const answer = await get(`${url}/file`)
      t.match(answer, { status: 200, complete: true })
      t.equal(answer.header('x-cache'), expected)
      t.ok(answer.body.equals(file))
    }
    t.equal(origin.requests.length, 1)
    t.same(JSON.parse(String((await get(`${url}/own`)).body)), { own: true })
  })
})
