import { join } from 'node:path'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { freePorts, startServer } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'
import { missing, root, run, startDaemon, untilAnswers } from './programs.ts'

const file = join(root, 'deploy/haproxy/haproxy.cfg')
const skip = missing('haproxy')

t.test('haproxy takes the file, without a warning', { skip }, async (t) => {
  const { code, stdout, stderr } = await run('haproxy', ['-c', '-f', file])
  t.equal(code, 0, stderr)
  t.notMatch(stdout + stderr, /WARNING|ALERT/)
})

t.test('two instances behind haproxy', { skip, timeout: 400_000 }, async (t) => {
  const paths = Array.from({ length: 60 }, (_, index) => `/film/${index}?part=${index % 7}`)
  const bytes = bytesOf(1, 200_000)
  const { promise: goOn, resolve: finish } = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target !== '/slow') return exchange.respondFile(bytes)
    await exchange.head({ fields: ['Content-Length', '10', 'Cache-Control', 'no-store'] })
    await exchange.write('first')
    await exchange.stall(goOn)
    await exchange.write(' last')
  })
  const settings = {
    upstream_address: origin.url,
    trusted_proxies: ['127.0.0.1'],
    upstream: { host_header: 'client' },
  }
  const one = await startServer(t, settings)
  const two = await startServer(t, settings)
  const [front, stats] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`)
  const haproxy = startDaemon(t, 'haproxy', ['-db', '-f', file], {
    FRONT: front,
    STATS: stats,
    SLICE1: new URL(one.url).host,
    SLICE1_HEALTH: new URL(one.health).port,
    SLICE2: new URL(two.url).host,
    SLICE2_HEALTH: new URL(two.health).port,
  })
  const url = `http://${front}`
  const servers = async () => {
    const [head, ...lines] = (await (await fetch(`http://${stats}/;csv`)).text()).trim().split('\n')
    const column = (name: string) => head.replace(/^# /, '').split(',').indexOf(name)
    return Object.fromEntries(
      lines
        .map((line) => line.split(','))
        .filter((line) => line[0] === 'slices')
        .map((line) => [line[1], { status: line[column('status')], requests: Number(line[column('stot')]) }]),
    )
  }
  const requestsOf = async (server: { metrics: string }) =>
    Number(
      (await (await fetch(`${server.metrics}/metrics`)).text()).match(/^http_requests_total (\d+)$/m)![1],
    )
  await untilAnswers(`${url}/film/0`, haproxy)

  t.test('each object is fetched once, whoever asks and however often', async (t) => {
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(paths.map((path) => get(`${url}${path}`)))
      for (const answer of answers) t.ok(answer.status === 200 && answer.body.equals(bytes))
      if (round > 0) t.same([...new Set(answers.map((answer) => answer.header('x-cache')))], ['HIT'])
    }
    const asked = origin.requests.map(({ target }) => target).filter((target) => target.includes('?'))
    t.same(asked.toSorted(), paths.toSorted())
  })

  t.test('both have their share', async (t) => {
    const shares = await Promise.all([one, two].map(requestsOf))
    t.ok(
      shares.every((share) => share > 30),
      `${shares}`,
    )
  })

  t.test('forwarded fields are made by haproxy and not by the client', async (t) => {
    await get(`${url}/film/1?own`, { headers: { 'X-Forwarded-For': '203.0.113.9', Host: 'cdn.example.com' } })
    const { header } = origin.requests.at(-1)!
    t.equal(header('host'), 'cdn.example.com')
    t.notMatch(header('x-forwarded-for'), /203\.0\.113\.9/)
  })

  t.test('a purge does not pass', async (t) => {
    t.equal((await get(`${url}/film/1`, { method: 'PURGE' })).status, 405)
  })

  t.test('an instance that drains gets no more, ends what it has begun, and no request fails', async (t) => {
    let failed = 0
    let running = true
    const load = (async () => {
      for (let index = 0; running; index++) {
        const answer = await get(`${url}${paths[index % paths.length]}`).catch(() => undefined)
        if (answer?.status !== 200 || !answer.complete) failed++
      }
    })()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const slow = get(`${two.url}/slow`, { timeout: 60_000, onData: () => begin() })
    await begun
    const exited = two.kill('SIGTERM')
    await until(() => /slices\/slice2 is DOWN/.test(haproxy.output))
    t.equal(two.process.exitCode, null, 'it was out while it still drained')
    finish()
    t.match(await slow, { status: 200, complete: true })
    t.equal(await exited, 0)
    await two.start()
    await until(() => /slices\/slice2 is UP/.test(haproxy.output))
    running = false
    await load
    t.equal(failed, 0)
  })

  t.test('one is killed: every request is answered', async (t) => {
    await one.kill('SIGKILL')
    const answers = await Promise.all(paths.map((path) => get(`${url}${path}`)))
    t.same(
      answers.filter((answer) => answer.status !== 200 || !answer.complete).map(({ status }) => status),
      [],
    )
    await until(() => /slices\/slice1 is DOWN/.test(haproxy.output))
    t.match((await servers()).slice2, { status: 'UP' })
  })
})
