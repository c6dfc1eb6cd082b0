import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { checkBytes } from '../../bench/check.ts'
import type { Contest, Contestant } from '../../bench/contest.ts'
import { startBenchOrigin } from '../../bench/harness.ts'
import { contentOf } from '../../bench/origin-content.ts'
import type { Scope } from '../helpers/scope.ts'

const SIZE = 2048
const HIT: Contest = { work: 'a hit', requests: [{ path: `/bytes/${SIZE}` }], size: SIZE, expect: 'hit' }
const MISS: Contest = { ...HIT, work: 'a miss', expect: 'miss', fresh: true }

async function serverWith(t: Scope, listener: RequestListener): Promise<Contestant> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  // All that the check looks at.
  return { url, label: 'server' } as Contestant
}

/** Asks the origin for everything, so that it knows of no hit. */
function forwarding(origin: string): RequestListener {
  return async (request, response) => {
    const answer = await fetch(`${origin}${request.url}`)
    response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()))
  }
}

t.test('a server is measured only after it answered with the right bytes', async (t) => {
  const origin = await startBenchOrigin(t)
  const right = await serverWith(t, (_, response) => response.end(contentOf(SIZE)))
  await t.resolves(checkBytes(origin, right, HIT))

  const other = Buffer.from(contentOf(SIZE))
  other[1000] ^= 1
  const wrong = await serverWith(t, (_, response) => response.end(other))
  await t.rejects(checkBytes(origin, wrong, HIT), /other bytes/)
  const short = await serverWith(t, (_, response) => response.end(contentOf(SIZE - 1)))
  await t.rejects(checkBytes(origin, short, HIT), /2047 bytes of 2048/)
  const failing = await serverWith(t, (_, response) => response.writeHead(503).end())
  await t.rejects(checkBytes(origin, failing, HIT), /503/)
})

t.test('a range has to be one', async (t) => {
  const origin = await startBenchOrigin(t)
  const headers = { Range: `bytes=70000-${70000 + SIZE - 1}` }
  const work = { ...HIT, requests: [{ path: '/bytes/1000000', headers }] }
  const range = contentOf(1_000_000).subarray(70_000, 70_000 + SIZE)
  const right = await serverWith(t, (_, response) => response.writeHead(206).end(range))
  await t.resolves(checkBytes(origin, right, work))
  const whole = await serverWith(t, (_, response) => response.end(range))
  await t.rejects(checkBytes(origin, whole, work), /answered with 200/)
})

t.test('hits and misses are told apart by what reaches the origin', async (t) => {
  const origin = await startBenchOrigin(t)
  const never = await serverWith(t, forwarding(origin))
  await t.resolves(checkBytes(origin, never, MISS))
  await t.rejects(checkBytes(origin, never, HIT, 300), /1 of 1 requests reached the origin/)
  const always = await serverWith(t, (_, response) => response.end(contentOf(SIZE)))
  await t.rejects(checkBytes(origin, always, MISS), /0 of 1 requests reached the origin/)
})
