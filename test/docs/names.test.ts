import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { knownKeys } from '../../config/nearest.ts'
import { get } from '../helpers/client.ts'
import { tempDir } from '../helpers/scope.ts'
import { startServer } from '../helpers/server.ts'

/** Names of metrics and of configuration keys in the documentation are names that exist. */

const root = join(import.meta.dirname, '../..')
const pages = globSync(['*.md', 'docs/*.md', '{deploy,docker}/**/*.md'], { cwd: root })
  .filter((page) => !/^CHANGELOG|architecture|raw-disk-format|status\.md/.test(page))
  .sort()

const sections = [...knownKeys].filter(([, { properties }]) => properties !== undefined).map(([key]) => key)
const keys = new Set([...knownKeys.keys()].flatMap((key) => [key, key.split('.').at(-1)!]))
const METRIC = /^(cache|raw_disk|http|purge|subrequests?|origin|fills|bytes|client)_[a-z0-9_]+(?=\{|$| \/)/

/** What stands in backticks, without fenced blocks. */
function codes(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8').replace(/^ *```[\s\S]*?^ *```/gm, '')
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code)
}

t.test('metrics', { timeout: 400_000 }, async (t) => {
  const server = await startServer(t, {
    upstream_address: '127.0.0.1:9',
    l2_backend: 'raw_disk',
    raw_disk_cache: { device_path: join(tempDir(t), 'raw'), total_size: 64 * 1024 * 1024 },
  })
  const scraped = String((await get(`${server.metrics}/metrics`)).body)
  const exported = new Set([...scraped.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name))
  let found = 0
  // nginx's directives look like metrics.
  for (const page of pages.filter((page) => !page.includes('migration-from-nginx'))) {
    const named = codes(page).flatMap((code) =>
      code.split(' / ').flatMap((part) => METRIC.exec(part)?.[0] ?? []),
    )
    const unknown = named.filter((name) => !exported.has(name) && !keys.has(name))
    t.same(unknown, [], page)
    found += named.length
  }
  t.ok(found > 60, `${found} names are found`)
})

t.test('configuration keys', async (t) => {
  let found = 0
  for (const page of pages) {
    const named = codes(page).filter((code) => sections.some((section) => code.startsWith(`${section}.`)))
    const unknown = named.filter(
      (code) => !keys.has(/^[a-z0-9_.]+[a-z0-9]/.exec(code)![0]) && !code.endsWith('.*'),
    )
    t.same(unknown, [], page)
    found += named.length
  }
  t.ok(found > 60, `${found} names are found`)
})
