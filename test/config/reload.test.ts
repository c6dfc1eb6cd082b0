import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import { describeChange, planReload } from '../../config/reload.ts'
import type { Config } from '../../config/schema.ts'

function config(keys: Record<string, unknown> = {}, env = {}): Config {
  const yaml = JSON.stringify({ upstream_address: 'origin:80', ...keys })
  const { config, errors } = loadConfig(yaml, { file: '/config.yaml', env })
  if (errors) throw new Error(errors[0].message)
  return config
}

const keysOf = (changes: readonly { key: string }[]) => changes.map(({ key }) => key)

t.test('live keys are applied, the others wait and are found again the next time', async (t) => {
  const running = config()
  const wanted = config({
    cache_ttl: 5,
    upstream: { max_connections: 7 },
    slice_size: 65536,
    slice_patterns: ['/a/*'],
  })
  const plan = planReload(running, wanted)
  t.same(keysOf(plan.applied), ['cache_ttl', 'slice_patterns', 'upstream.max_connections'])
  t.same(plan.waiting, [{ key: 'slice_size', from: 1048576, to: 65536 }])
  t.same(plan.config, { ...wanted, slice_size: 1048576 })
  t.same(running, config(), 'what runs is not written to')

  const again = planReload(plan.config, wanted)
  t.same(again.applied, [])
  t.same(keysOf(again.waiting), ['slice_size'])
})

t.test('a section that appears or goes away is one change', async (t) => {
  const raw = { raw_disk_cache: { device_path: '/raw' } }
  t.same(keysOf(planReload(config(), config(raw)).waiting), ['raw_disk_cache'])
  t.same(keysOf(planReload(config(raw), config()).waiting), ['raw_disk_cache'])
  const other = { raw_disk_cache: { device_path: '/other' } }
  t.same(keysOf(planReload(config(raw), config(other)).waiting), ['raw_disk_cache.device_path'])
})

t.test('nothing changed: nothing to do', async (t) => {
  t.match(planReload(config(), config()), { applied: [], waiting: [], refusals: [] })
})

t.test('what is allowed only together with a key that waits is refused', async (t) => {
  const running = config({ listen_address: '0.0.0.0:8080' })
  const wanted = config({ listen_address: '127.0.0.1:8080', purge: { enabled: true } })
  t.match(planReload(running, wanted).refusals, [/^purge\.enabled: true needs purge\.auth_token/])
  const itself = config({ listen_address: '127.0.0.1:81', upstream_address: '127.0.0.1:8080' })
  t.match(planReload(config({ listen_address: '127.0.0.1:8080' }), itself).refusals, [
    /^upstream_address: "127\.0\.0\.1:8080" is this proxy itself/,
  ])
  t.same(planReload(config({ listen_address: '127.0.0.1:8080' }), wanted).refusals, [])
})

t.test('changes are told with both values, secrets without', async (t) => {
  t.equal(describeChange({ key: 'cache_ttl', from: 3600, to: 5 }), 'cache_ttl: 3600 -> 5')
  t.equal(
    describeChange({ key: 'set_cookie', from: 'explicit', to: 'strip' }),
    'set_cookie: "explicit" -> "strip"',
  )
  const [token] = planReload(config(), config({}, { PURGE_TOKEN: 'hush' })).applied
  t.equal(token.key, 'purge.auth_token')
  t.equal(describeChange(token), 'purge.auth_token: the value changed')
})
