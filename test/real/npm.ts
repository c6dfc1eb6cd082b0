import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { startServer } from '../helpers/server.ts'
import { counterOf } from './metrics.ts'
import { type Report, size } from './report.ts'

const run = promisify(execFile)
const PACKAGES = ['tap', 'fastify', 'fastify-cli']

/** The npm client with the proxy as its registry, and the registry that npm is configured with as https upstream. */
export async function testNpm(t: Scope, report: Report): Promise<void> {
  const registry = new URL((await run('npm', ['config', 'get', 'registry'])).stdout.trim())
  const server = await startServer(t, {
    upstream_address: registry.origin,
    l1_cache_size_bytes: 256 * 1024 * 1024,
    log_level: 'warn',
  })

  report.line('')
  report.line('## The npm client')
  report.line('')
  report.line(
    `\`npm install ${PACKAGES.join(' ')}\` without a lock file, twice, each time with an empty npm cache; the proxy is`,
  )
  report.line(
    'npm’s registry, the registry that npm was configured with is the proxy’s https upstream. npm checks the SHA-512 of',
  )
  report.line('every package that it installs.')
  report.line('')
  report.line('| install | packages | requests | hits | misses | from the origin | to npm | time |')
  report.line('|---|---|---|---|---|---|---|---|')

  const install = async (name: string) => {
    const before = await counterOf(server.metrics)
    const started = performance.now()
    const locked = await npmInstall(t, server.url + registry.pathname)
    const seconds = (performance.now() - started) / 1000
    const after = await counterOf(server.metrics)
    const hits = after.hits - before.hits
    const misses = after.misses - before.misses
    const fromOrigin = after.fromOrigin - before.fromOrigin
    const cells = [
      name,
      locked.size,
      hits + misses,
      hits,
      misses,
      size(fromOrigin),
      size(after.toClients - before.toClients),
      `${seconds.toFixed(1)} s`,
    ]
    report.line(`| ${cells.join(' | ')} |`)
    return { locked, hits, misses, fromOrigin }
  }
  const first = await install('first')
  const second = await install('second')

  report.check(first.locked.size >= 100, 'at least 100 packages')
  report.check(second.hits > 0.9 * (second.hits + second.misses), 'the second install is mostly hits')
  report.check(second.fromOrigin < 0.1 * first.fromOrigin, 'the second install asks the origin for little')
  for (const [path, integrity] of first.locked) {
    report.check(second.locked.get(path) === integrity, `the same ${path} both times`)
  }
  report.line('')
  report.line('Both installs have the same packages with the same integrity sums.')
  await server.kill()
}

/** Installs in an empty directory with an empty npm cache. Resolves to the integrity sum of each package by its path. */
async function npmInstall(t: Scope, registry: string): Promise<Map<string, string>> {
  const dir = tempDir(t)
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n')
  const options = [
    '--cache',
    join(dir, 'npm-cache'),
    '--registry',
    registry,
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
  ]
  // The registry's answers name its own host in the addresses of packages: npm is to ask the proxy instead.
  await run('npm', ['install', ...PACKAGES, ...options, '--replace-registry-host=always'], {
    cwd: dir,
    maxBuffer: 1e8,
  })
  const lock = JSON.parse(readFileSync(join(dir, 'package-lock.json'), 'utf8'))
  const packages = Object.entries<{ integrity?: string; resolved?: string }>(lock.packages).filter(
    ([path]) => path !== '',
  )
  return new Map(packages.map(([path, { integrity = '' }]) => [path, integrity]))
}
