import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { validate } from 'dockerfile-utils'
import { load } from 'js-yaml'
import t from 'tap'
import { root } from '../deploy/programs.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { freePorts } from '../helpers/server.ts'
import { noContainers, start } from './container.ts'
import { build, buildContext, dockerfile, type Image, readStages } from './dockerfile.ts'

const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const stages = readStages()
const last = stages.at(-1)!.instructions
const of = (keyword: string) => last.filter((each) => each.keyword === keyword)

t.test('the Dockerfile has no mistakes that a linter knows', async (t) => {
  t.same(
    validate(dockerfile).map(({ message }) => message),
    [],
  )
  t.ok(validate(dockerfile.replace('WORKDIR', 'WORKDIRR')).length > 0, 'the linter works')
})

t.test('it follows the rules for images that run unattended', async (t) => {
  t.equal(stages.length, 2)
  for (const { image } of stages)
    t.equal(image, `node:${packageJson.devDependencies.node.split('.')[0]}-slim`)
  t.match(of('USER').at(-1)?.text, /^[1-9]\d*:[1-9]\d*$/, 'a number, which Kubernetes can tell from root')
  for (const keyword of ['CMD', 'HEALTHCHECK']) {
    t.equal(of(keyword).length, 1)
    t.match(of(keyword)[0].text, /\[".*"\]$/s, `${keyword} without a shell, which would not pass signals on`)
  }
  const all = stages.flatMap(({ instructions }) => instructions)
  t.same(
    all.filter(({ keyword }) => ['ADD', 'SHELL', 'ONBUILD', 'MAINTAINER'].includes(keyword)),
    [],
  )
  for (const { keyword, text } of all) {
    if (keyword === 'WORKDIR') t.match(text, /^\//)
    if (keyword === 'RUN') t.notMatch(text, /\b(sudo|curl|wget|apt-get|npm i(nstall)?)\b/)
    if (keyword === 'RUN' && /\bnpm\b/.test(text)) t.match(text, /^npm ci --omit=dev --ignore-scripts /)
  }
})

t.test('what is left out of the image, and what has to be in it', async (t) => {
  const context = buildContext()
  for (const name of context) t.ok(readdirSync(root).includes(name), `${name} is there`)
  const rooms = [...reached('server.ts')].map((file) => file.split('/')[0])
  t.same(
    [...new Set(rooms)].filter((room) => !context.includes(room)),
    [],
    'what server.ts imports',
  )
  t.same(
    context.filter((name) => /^(test|docs|bench|demo|node_modules|dist|\.git)/.test(name)),
    [],
  )
})

/** A file of ours and all that it imports, by paths from the root. */
function reached(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  const text = readFileSync(join(root, file), 'utf8')
  for (const [, path] of text.matchAll(/(?:\bfrom|^import) '(\.{1,2}\/[^']+)'/gm)) {
    reached(posix.join(posix.dirname(file), path), seen)
  }
  return seen
}

const skip = noContainers()
t.test('the image, made and run by the commands of the Dockerfile', { skip, timeout: 600_000 }, async (t) => {
  const built = await build(t).catch((error: Error) => error)
  if (built instanceof Error) {
    const offline = /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|ECONNREFUSED|ENOTCACHED/.test(built.message)
    if (offline) return t.pass('it is made', { skip: `npm has no network: ${built.message}` })
    throw built
  }
  const image: Image = built
  const inside = (path: string) => join(image.root, path)

  t.test('has what runs in production, and nothing else', async (t) => {
    const packages = readdirSync(inside('opt/slicestream/node_modules'))
    for (const name of Object.keys(packageJson.dependencies))
      t.ok(packages.includes(name.split('/')[0]), name)
    t.same(
      ['tap', 'typescript', 'node', 'kubernetes-models', '@biomejs'].filter((name) =>
        packages.includes(name),
      ),
      [],
    )
    t.same(readdirSync(inside('opt/slicestream')).toSorted(), [...buildContext(), 'node_modules'].toSorted())
  })

  const bytes = bytesOf(1, 3_000_000)
  const origin = await fileOrigin(t, { '/file': bytes })
  const [proxy, health, metrics] = await freePorts(3)
  const config = {
    ...(load(readFileSync(join(root, 'docker/config.yaml'), 'utf8')) as object),
    upstream_address: origin.url,
    listen_address: `127.0.0.1:${proxy}`,
    health_endpoint: { address: `127.0.0.1:${health}` },
    metrics_endpoint: { address: `127.0.0.1:${metrics}` },
  }
  mkdirSync(inside('etc/slicestream'))
  writeFileSync(inside('etc/slicestream/config.yaml'), JSON.stringify(config))
  const env = { ...image.setting.env, HEALTH_URL: `http://127.0.0.1:${health}/live` }
  const setting = { ...image.setting, env }
  const check = async () => {
    const { exited } = start(t, image.root, image.healthCheck, setting)
    return exited
  }

  t.equal(await check(), 1, 'before it runs, the health check fails')
  const running = start(t, image.root, image.command, setting)
  for (let tries = 0; (await check()) !== 0; tries++) {
    if (tries > 100 || running.process.exitCode !== null)
      throw new Error(`it does not start: ${running.output}`)
  }

  t.test('runs as process 1, as a user without rights', async (t) => {
    const status = readFileSync(`/proc/${running.pid()}/status`, 'utf8')
    const [uid, gid] = image.setting.user!.split(':')
    t.match(status, new RegExp(`^Uid:\\t${uid}\\t${uid}\\t`, 'm'))
    t.match(status, new RegExp(`^Gid:\\t${gid}\\t${gid}\\t`, 'm'))
    t.match(status, /^NSpid:\t\d+\t1$/m)
    t.match(status, /^CapEff:\t0+$/m)
  })

  t.test('serves a MISS, then a HIT', async (t) => {
    for (const expected of ['MISS', 'HIT']) {
      const answer = await get(`http://127.0.0.1:${proxy}/file`)
      t.equal(answer.header('x-cache'), expected)
      t.ok(answer.body.equals(bytes))
    }
    t.equal(origin.requests.length, 1)
    const figures = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    t.match(figures, /^raw_disk_total_blocks [1-9]/m)
  })

  t.test('leaves no children behind, and ends on SIGTERM', async (t) => {
    t.notMatch(running.output, /"level":(50|60)/)
    const pid = running.pid()
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
    const zombies = children.filter((child) =>
      /^State:\tZ/m.test(readFileSync(`/proc/${child}/status`, 'utf8')),
    )
    t.same(zombies, [])
    process.kill(pid, 'SIGTERM')
    t.equal(await running.exited, 0, running.output)
    t.match(running.output, /drained/)
    t.equal(await check(), 1)
  })
})
