import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import { connect, get, stalledClient } from '../helpers/client.ts'
import type { Origin } from '../helpers/origin.ts'
import type { Run } from '../server/run.ts'

/** A program of docs/embedding.md that runs, and the origin behind it. */
export interface Running {
  url: string
  origin: Origin
  run: Run
}

type Probe = (t: Test, running: Running) => Promise<void>

const cacheOf = async (url: string, headers: Record<string, string> = {}) =>
  (await get(url, { headers })).header('x-cache')
const jsonOf = async (url: string) => JSON.parse(String((await get(url)).body))

async function missThenHit(t: Test, url: string): Promise<void> {
  t.equal(await cacheOf(`${url}/page`), 'MISS')
  t.equal(await cacheOf(`${url}/page`), 'HIT')
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${isSo}`)
    await wait(5)
  }
}

async function endsOn(t: Test, { run }: Running, signal: NodeJS.Signals): Promise<void> {
  run.process.kill(signal)
  t.equal(await run.exited, 0, `ends on ${signal}`)
}

/** What the page says of each program, asked over a socket. */
export const probes: Record<string, Probe> = {
  async readme(t, { url }) {
    t.same(await jsonOf(`${url}/own`), { own: true })
    await missThenHit(t, url)
  },
  async 'streaming-proxy'(t, { url, origin }) {
    t.same(await jsonOf(`${url}/own`), { own: true })
    for (const _ of [1, 2]) t.match(await get(`${url}/page`), { status: 200, complete: true })
    t.equal(origin.requests.length, 2, 'nothing is stored')
  },
  async 'streaming-proxy-handle'(t, { url }) {
    t.equal((await get(`${url}/films/one`)).status, 403)
    const headers = { 'X-Member': 'yes' }
    t.equal(await cacheOf(`${url}/films/one`, headers), 'MISS')
    t.equal(await cacheOf(`${url}/films/one`, headers), 'HIT')
    t.equal((await get(`${url}/films/one`)).status, 403, 'what is stored is guarded too')
    await missThenHit(t, url)
  },
  async 'streaming-proxy-alone'(t, { url }) {
    const connection = await connect(url)
    t.teardown(() => connection.close())
    t.equal((await connection.request('/page')).header('x-cache'), 'MISS')
    for (const _ of [1, 2, 3, 4]) t.match((await connection.request('/page')).header('x-cache'), 'HIT')
  },
  async 'l1-cache'(t, { url }) {
    await missThenHit(t, url)
    t.match(await jsonOf(`${url}/memory`), { entries: 2, maxBytes: 64 * 1024 * 1024 })
  },
  async 'l2-file'(t, { url }) {
    await missThenHit(t, url)
    t.match((await get(`${url}/page`)).header('cache-status'), /detail=l2/)
  },
  async 'l2-rawdisk'(t, { url }) {
    await missThenHit(t, url)
    t.ok((await jsonOf(`${url}/disk`)).regions > 0)
  },
  async 'route-cache'(t, { url }) {
    const first = await jsonOf(`${url}/time`)
    t.same(await jsonOf(`${url}/time`), first)
    t.equal(await cacheOf(`${url}/time`), 'HIT')
  },
  async health(t, running) {
    const { url } = running
    t.same(await jsonOf(`${url}/health`), { status: 'healthy' })
    t.same(await jsonOf(`${url}/ready`), { status: 'ready' })
    t.same(await jsonOf(`${url}/live`), { status: 'live' })
    await missThenHit(t, url)
    await endsOn(t, running, 'SIGTERM')
  },
  async metrics(t, { url }) {
    await missThenHit(t, url)
    t.match(String((await get(`${url}/metrics`)).body), /^cache_l1_hits_total 1$/m)
  },
  async purge(t, { url }) {
    await missThenHit(t, url)
    t.equal((await get(`${url}/page`, { method: 'PURGE' })).status, 401)
    const headers = { Authorization: 'Bearer secret' }
    t.equal((await get(`${url}/page`, { method: 'PURGE', headers })).status, 200)
    t.equal(await cacheOf(`${url}/page`), 'MISS')

    await get(`${url}/articles/7`)
    await get(`${url}/search?q=1`)
    const post = async (path: string) => String((await get(`${url}${path}`, { method: 'POST' })).body)
    t.same(JSON.parse(await post('/changed/7')), { purged: 2 })
    t.equal(await cacheOf(`${url}/articles/7`), 'MISS')
    t.equal(await cacheOf(`${url}/search?q=1`), 'MISS')
    t.equal(await cacheOf(`${url}/page`), 'HIT')
    t.ok(JSON.parse(await post('/changed/everything')).purged > 0)
    t.equal(await cacheOf(`${url}/page`), 'MISS')
  },
  async status(t, { url }) {
    await missThenHit(t, url)
    for (const path of ['/admin/cache/', '/admin/cache/status'])
      t.equal((await get(`${url}${path}`)).status, 401, path)
    const headers = { Authorization: 'Bearer secret' }
    t.match(String((await get(`${url}/admin/cache/`, { headers })).body), /<!doctype html>/i)
    const figures = JSON.parse(String((await get(`${url}/admin/cache/status`, { headers })).body))
    t.ok(figures.service.uptimeSeconds >= 0)
  },
  async pressure(t, { url }) {
    await missThenHit(t, url)
    t.same(await jsonOf(`${url}/busy`), { reasons: [] })
    const put = (bytes: number) =>
      get(`${url}/busy`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ bytes }),
      })
    // The first sample is taken a second after the start.
    await until(async () => String((await put(1)).body).includes('"reasons":["'))
    const refused = await get(`${url}/other`)
    t.equal(refused.status, 503)
    t.equal(refused.header('retry-after'), '5')
    t.equal(await cacheOf(`${url}/page`), 'HIT')
    await put(0)
    t.equal((await get(`${url}/other`)).status, 200)
  },
  async 'client-limits'(t, { url }) {
    t.match(await jsonOf(`${url}/connections`), { connectionsNow: 1, dropped: 0 })
    const stays = await Promise.all([stalledClient(`${url}/a.mp4`), stalledClient(`${url}/b.mp4`)])
    await until(async () => (await get(`${url}/page`).catch(() => null))?.complete !== true)
    for (const socket of stays) socket.destroy()
    await until(async () => (await get(`${url}/connections`).catch(() => null))?.complete === true)
    t.ok((await jsonOf(`${url}/connections`)).dropped > 0)
  },
  async 'graceful-close'(t, running) {
    // Its connection stays open, idle: it must not hold up the end.
    t.equal((await get(`${running.url}/page`)).status, 200)
    await endsOn(t, running, 'SIGTERM')
  },
  async suite(t, { url }) {
    t.same(await jsonOf(`${url}/own`), { own: true })
    await missThenHit(t, url)
  },
}
