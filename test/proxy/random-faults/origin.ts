import { respondFile } from '../../helpers/file-response.ts'
import type { Exchange, Script } from '../../helpers/origin.ts'
import type { Random } from '../../helpers/random.ts'
import { type Resource, representation } from './resources.ts'

export interface Trouble {
  /** While true, connections are closed, bodies are cut and errors answered. */
  on: boolean
}

/** Serves resources as a correct origin does; with trouble on at random paces, and not always. POST is answered by its own body. */
export function troubledOrigin(random: Random, resources: readonly Resource[], trouble: Trouble): Script {
  const byPath = new Map(resources.map((resource) => [resource.path, resource]))
  return async (request, exchange) => {
    const resource = byPath.get(request.target)!
    const variant = resource.varies ? (request.header('x-variant') ?? '') : ''
    if (trouble.on && random.chance(0.02)) return void exchange.socket.destroy()
    if (trouble.on && random.chance(0.01)) return exchange.respond({ status: 503, body: 'no' })
    if (request.method === 'POST') return exchange.respond({ body: await request.body })

    const { bytes, etag, lastModified } = representation(resource, resource.versions.at(-1)!, variant)
    const cutAt =
      trouble.on && random.chance(0.06) ? random.below(bytes.length + 1) : Number.POSITIVE_INFINITY
    return respondFile(trouble.on ? unsteady(exchange, random, cutAt) : exchange, bytes, {
      etag,
      lastModified,
      ranges: resource.ranges,
      chunked: resource.chunked,
      cacheControl: cacheControlOf(resource),
      fields: { 'Cache-Tag': `at${resource.path}`, ...(resource.varies ? { Vary: 'X-Variant' } : {}) },
    })
  }
}

function cacheControlOf({ maxAge, mustRevalidate }: Resource): string {
  if (maxAge === null) return 'no-store'
  return `max-age=${maxAge}${mustRevalidate ? ', must-revalidate' : ''}`
}

/** Sends bodies in pieces, with pauses, and ends the connection after `cutAt` body bytes. */
function unsteady(exchange: Exchange, random: Random, cutAt: number): Exchange {
  const size = random.pick([4000, 16_384, 70_000, 400_000])
  let left = cutAt

  async function send(bytes: Buffer, write: (piece: Buffer) => Promise<void>): Promise<void> {
    for (let at = 0; at < bytes.length && left > 0; ) {
      const piece = bytes.subarray(at, at + Math.min(size, left))
      await write(piece)
      at += piece.length
      left -= piece.length
      if (random.chance(0.1)) await exchange.stall(random.below(15))
    }
    if (left > 0) return
    if (random.chance(0.5)) exchange.end()
    else await exchange.reset()
  }

  return {
    ...exchange,
    async respond(response) {
      const body = Buffer.from(response.body ?? '')
      if (exchange.request.method === 'HEAD' || body.length === 0) return exchange.respond(response)
      const fields = { ...response.fields, 'Content-Length': String(body.length) } as Record<string, string>
      await exchange.head({ ...response, fields })
      await send(body, exchange.write)
    },
    async chunk(bytes = '') {
      if (bytes.length === 0) await exchange.chunk()
      else await send(bytes as Buffer, exchange.chunk)
    },
  }
}
