import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import health from '../../plugins/health.ts'
import l2RawDisk, { type L2RawDiskOptions } from '../../plugins/l2-rawdisk.ts'
import metrics from '../../plugins/metrics.ts'
import streamingProxy from '../../plugins/streaming-proxy.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { tempDir } from '../helpers/scope.ts'

const MIB = 1024 * 1024
const small = { totalSize: 16 * MIB, sliceSize: 64 * 1024 }

async function service(t: Test, options: L2RawDiskOptions): Promise<FastifyInstance> {
  const fastify = Fastify({ forceCloseConnections: true })
  t.teardown(() => fastify.close())
  await fastify.register(l2RawDisk, options)
  return fastify
}

t.test(
  'it is the disk tier of a proxy, and its figures are metrics; closed, it can be opened again',
  async (t) => {
    const devicePath = join(tempDir(t), 'raw')
    const file = bytesOf(1, 300_000)
    const origin = await fileOrigin(t, { '/f': file })
    let port = 0
    for (const expected of ['MISS', 'HIT']) {
      const fastify = await service(t, { devicePath, ...small })
      await fastify.register(metrics, {})
      await fastify.register(streamingProxy, { upstream: origin.url, sliceSize: small.sliceSize })
      const url = await fastify.listen({ port, host: '127.0.0.1' })
      port = Number(new URL(url).port)
      if (expected === 'HIT') await untilRecovered(fastify)
      const answer = await get(`${url}/f`)
      t.equal(answer.header('x-cache'), expected)
      t.ok(answer.body.equals(file))
      t.ok(fastify.rawDisk!.figures().stores + fastify.rawDisk!.figures().hits > 5)
      t.match(await (await fetch(`${url}/metrics`)).text(), /^raw_disk_total_blocks \d+$/m)
      await fastify.close()
    }
  },
)

async function untilRecovered(fastify: FastifyInstance): Promise<void> {
  while (fastify.rawDisk!.figures().recovering) await new Promise((resolve) => setTimeout(resolve, 5))
}

t.test('what it cannot have is an error of one sentence with code and path, and untouched', async (t) => {
  const dir = tempDir(t)
  const foreign = join(dir, 'foreign')
  writeFileSync(foreign, bytesOf(1, 2 * MIB))
  mkdirSync(join(dir, 'directory'))
  const refused = async (options: L2RawDiskOptions, code: string) => {
    const error: NodeJS.ErrnoException = await service(t, options).then(
      () => t.fail('not refused') as never,
      (error) => error,
    )
    t.match(error, { code, path: options.devicePath })
    t.notMatch(error.message, /\n/)
  }
  await refused({ devicePath: foreign, ...small }, 'FOREIGN')
  t.ok(readFileSync(foreign).equals(bytesOf(1, 2 * MIB)))
  await refused({ devicePath: join(dir, 'directory'), ...small }, 'RANGE')
  await refused({ devicePath: join(dir, 'none/raw'), ...small }, 'ENOENT')
  await refused({ devicePath: join(dir, 'tiny'), ...small, totalSize: 500_000 }, 'RANGE')
  await refused({ devicePath: join(dir, 'huge'), totalSize: 2 ** 51, blockSize: MIB }, 'ENOSPC')

  const mine = await service(t, { devicePath: join(dir, 'mine'), ...small })
  await refused({ devicePath: join(dir, 'mine'), ...small }, 'EBUSY')
  await mine.close()
  await t.resolves(service(t, { devicePath: join(dir, 'mine'), ...small }), 'free once it is closed')
})

t.test('format: what holds something else is taken', async (t) => {
  const devicePath = join(tempDir(t), 'foreign')
  writeFileSync(devicePath, bytesOf(1, 2 * MIB))
  const fastify = await service(t, { devicePath, ...small, format: true })
  t.equal(fastify.rawDisk!.figures().entries, 0)
  t.ok(fastify.rawDisk!.figures().totalBlocks > 0)
})

t.test('selfTest: every 10 s, and only when it is asked for', async (t) => {
  const intervals: unknown[] = []
  const original = globalThis.setInterval
  t.teardown(() => void (globalThis.setInterval = original))
  globalThis.setInterval = ((run: () => void, ms: number) => {
    intervals.push(ms)
    return original(run, ms)
  }) as typeof setInterval
  for (const selfTest of [false, true]) {
    intervals.length = 0
    await service(t, { devicePath: join(tempDir(t), 'raw'), ...small, selfTest })
    t.equal(intervals.includes(10_000), selfTest)
  }
})

t.test('waitForOwner: it starts without the device, and takes it over when that is free', async (t) => {
  const devicePath = join(tempDir(t), 'raw')
  const owner = await service(t, { devicePath, ...small })
  const next = await service(t, { devicePath, ...small, waitForOwner: true })
  await next.register(metrics, {})
  await next.register(health, {})
  const scrape = async () => (await next.inject('/metrics')).body
  t.match(await scrape(), /^raw_disk_waiting 1$/m)
  t.match(await scrape(), /^raw_disk_total_blocks 0$/m)
  t.same((await next.inject('/health')).json(), { status: 'healthy' })
  t.equal((await next.inject('/ready')).json().status, 'ready')
  t.notOk(next.l2!.putSlice('a', 1, 0, { length: 1, segments: [Buffer.from('x')] }))

  await owner.close()
  await untilRecovered(next)
  t.match(await scrape(), /^raw_disk_waiting 0$/m)
  t.notMatch(await scrape(), /^raw_disk_total_blocks 0$/m)
  t.ok(next.l2!.putSlice('a', 1, 0, { length: 1, segments: [Buffer.from('x')] }))
  await next.close()
  await t.resolves(service(t, { devicePath, ...small }), 'free once it is closed')
})

t.test('waitForOwner: what cannot be used for another reason is refused all the same', async (t) => {
  const foreign = join(tempDir(t), 'foreign')
  writeFileSync(foreign, bytesOf(1, 2 * MIB))
  await t.rejects(service(t, { devicePath: foreign, ...small, waitForOwner: true }), { code: 'FOREIGN' })
})
