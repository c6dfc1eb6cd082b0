import t, { type Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { connect } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { askAll, type RawServer, SLICE, someFiles, startRawServer } from './raw-disk.ts'

// The two have ports of their own here, so that it is known who answers: the host must not make other keys of them.
const settings = { listen_reuse_port: true, cache_key: { include_host: false } }

/** An origin of some files; of `/slow` it sends half, and the rest when `finish` is called. */
async function origin(t: Test) {
  const files = someFiles(8)
  const slow = bytesOf(99, 2 * SLICE)
  const { promise: released, resolve: finish } = Promise.withResolvers<void>()
  const { promise: asked, resolve: gotRequest } = Promise.withResolvers<void>()
  const { url } = await startOrigin(t, async (request, exchange) => {
    if (request.target !== '/slow') return exchange.respondFile(files[request.target])
    gotRequest()
    await exchange.head({ fields: ['Content-Length', String(slow.length), 'Cache-Control', 'no-store'] })
    await exchange.write(slow.subarray(0, SLICE))
    await exchange.stall(released)
    await exchange.write(slow.subarray(SLICE))
  })
  return { url, files, slow, asked, finish }
}

/** The next process, which starts while the first one has the device. */
async function nextServer(t: Test, url: string, first: RawServer): Promise<RawServer> {
  const next = await startRawServer(t, url, { device_path: first.device }, settings)
  t.match(await next.figures(), { raw_disk_waiting: 1, raw_disk_offline: 0, cache_l2_entries: 0 })
  t.same(await (await fetch(`${next.server.health}/health`)).json(), { status: 'healthy' })
  t.equal((await fetch(`${next.server.health}/ready`)).status, 200)
  return next
}

const hasDevice = (figures: Record<string, number>) =>
  figures.raw_disk_waiting === 0 && figures.raw_disk_recovering === 0

t.test('a process serves while the one before drains, and then what that one had stored', async (t) => {
  const { url, files, slow, asked, finish } = await origin(t)
  const first = await startRawServer(t, url, {}, settings)
  await askAll(t, first, files)
  await first.settled()

  const client = await connect(first.server.url)
  const download = client.request('/slow')
  await asked
  const next = await nextServer(t, url, first)
  t.same(await askAll(t, next, { '/0': files['/0'], '/4': files['/4'] }), { MISS: 2 })
  const exited = first.server.kill('SIGTERM')
  t.equal((await next.ask('/0')).header('x-cache'), 'MISS', 'a request of the first one keeps the device')
  t.equal((await next.figures()).raw_disk_waiting, 1)
  finish()
  const answer = await download
  t.ok(answer.complete && answer.body.equals(slow), 'nothing was cut')
  client.close()
  t.equal(await exited, 0)

  await next.untilFigures(hasDevice)
  t.equal(next.readFrom(), 'snapshot', 'as after any clean stop')
  const { '/0': _, '/4': __, ...others } = files
  t.same(await askAll(t, next, others), { HIT: 6 })
  t.same(await askAll(t, next, { '/0': files['/0'] }), { MISS: 1 }, 'fetched meanwhile: it may have changed')
  await next.settled()
  t.same(await askAll(t, next, { '/0': files['/0'] }), { HIT: 1 })
  t.match(
    next
      .messages()
      .filter((message) => message.includes('raw disk'))
      .join('\n'),
    /^another process has.*\n.*taken over/s,
  )
})

t.test(
  'what is purged meanwhile is not served from what the one before had stored, which was killed',
  async (t) => {
    const { url, files } = await origin(t)
    const first = await startRawServer(t, url, {}, settings)
    await askAll(t, first, files)
    await first.settled()
    const next = await nextServer(t, url, first)
    let isPurged = false
    const purges = Promise.all([next.purge('/3'), next.purge('/7')]).then(() => (isPurged = true))
    t.same(await askAll(t, next, { '/2': files['/2'] }), { MISS: 1 })
    t.notOk(isPurged)
    await first.server.kill('SIGKILL')
    await purges
    t.same(await askAll(t, next, { '/3': files['/3'] }), { MISS: 1 })
    await next.untilFigures(hasDevice)
    t.same(await askAll(t, next, { '/5': files['/5'] }), { HIT: 1 })

    await next.server.kill('SIGKILL')
    await next.server.start()
    await next.settled()
    t.same(await askAll(t, next, { '/7': files['/7'] }), { MISS: 1 }, 'after kill -9, too')
    t.same(await askAll(t, next, { '/6': files['/6'] }), { HIT: 1 })
  },
)

t.test('it ends well while it waits, and leaves the device to its owner', async (t) => {
  const { url, files } = await origin(t)
  const first = await startRawServer(t, url, {}, settings)
  await askAll(t, first, files)
  await first.settled()
  const next = await nextServer(t, url, first)
  t.equal(await next.server.kill('SIGTERM'), 0)
  t.same(await askAll(t, first, files), { HIT: 8 })
})
