import type { Test } from 'tap'
import type { Device } from '../../../lib/stores/raw-disk/device.ts'
import health from '../../../plugins/health.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { createRandom } from '../../helpers/random.ts'
import { faultOf, rangeHeader, type Spec } from '../ranges/expected.ts'
import { rawTier } from './tier.ts'

const S = 64 * 1024
const MIB = 1024 * 1024

/** What goes wrong with the device now. */
export interface Illness {
  reads: string | null
  writes: string | null
  /** Share of the operations that it hits. */
  share: number
}

export const WELL: Illness = { reads: null, writes: null, share: 1 }

function sickly(device: Device, illness: Illness, random: () => number): Device {
  const hits = () => random() < illness.share
  const failure = (code: string) => Object.assign(new Error(`${code}: i/o error`), { code })
  return {
    path: device.path,
    size: device.size,
    direct: device.direct,
    async read(buffer, position) {
      if (illness.reads === null || !hits()) return device.read(buffer, position)
      // Part of it was read, or nonsense, before the error.
      buffer.fill(0x5a, 0, buffer.length >> 1)
      throw failure(illness.reads)
    },
    async write(buffer, position) {
      if (illness.writes === null || !hits()) return device.write(buffer, position)
      if (buffer.length >= 8192) await device.write(buffer.subarray(0, 4096), position)
      throw failure(illness.writes)
    },
    async sync() {
      if (illness.writes !== null && hits()) throw failure(illness.writes)
      return device.sync()
    },
    close: () => device.close(),
  }
}

/** A proxy over a raw disk that falls ill as the test likes, and clients of it. */
export async function patient(t: Test, retryMs = 50) {
  const random = createRandom(11)
  const illness: Illness = { ...WELL }
  const files = Object.fromEntries(
    Array.from({ length: 30 }, (_, i) => [
      `/${i}`,
      bytesOf(300 + i, random.below(8) * S + random.below(S) + 1),
    ]),
  )
  const origin = await fileOrigin(t, files)
  const tier = rawTier(t, {
    totalSize: 16 * MIB,
    sliceSize: S,
    retryMs,
    around: (device) => sickly(device, illness, () => random.below(1000) / 1000),
  })
  const proxy = await startProxy(t, {
    beforeHooks: false, // /health is a route of the service here
    upstream: origin.url,
    sliceSize: S,
    l1: 0,
    tier: async (fastify) => {
      await tier.register(fastify)
      await fastify.register(health, {})
    },
  })

  async function client(requests: number): Promise<void> {
    for (let i = 0; i < requests; i++) {
      const path = `/${random.below(30)}`
      const file = files[path]
      const ranges: Spec[] = []
      if (random.chance(0.5)) {
        const first = random.below(file.length)
        ranges.push({ first, last: Math.min(file.length - 1, first + random.below(2 * S)) })
      }
      const range = ranges.length > 0 ? rangeHeader(ranges) : undefined
      const answer = await get(proxy.url + path, { range })
      const fault = faultOf(answer, file, ranges)
      if (fault !== undefined) t.fail(`${path} ${range}: ${fault}`)
    }
  }
  /** Ten clients at once; every answer is judged. */
  const load = async () => void (await Promise.all(Array.from({ length: 10 }, () => client(10))))
  const status = async () => {
    const response = await get(`${proxy.url}/health`)
    return [response.status, JSON.parse(String(response.body)).status]
  }
  /** Every file once, whole. */
  const hits = async () => {
    let count = 0
    for (const [path, file] of Object.entries(files)) {
      const answer = await get(proxy.url + path)
      t.ok(answer.complete && answer.body.equals(file), path)
      if (answer.header('x-cache') === 'HIT') count++
    }
    return count
  }
  return { illness, load, status, hits, tier, proxy, origin, figures: () => tier.store.figures() }
}
