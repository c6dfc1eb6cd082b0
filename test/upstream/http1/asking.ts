import type { Readable } from 'node:stream'
import { createPool, type Pool, type PoolOptions } from '../../../lib/upstream/http1/pool.ts'
import type { Transfer, UpstreamRequest } from '../../../lib/upstream/origin.ts'
import type { Scope } from '../../helpers/scope.ts'

/** One request of a pool, and what has been heard of it. */
export interface Asked {
  transfer: Transfer
  interim: number[]
  status?: number
  fields?: string[]
  pieces: Buffer[]
  trailers?: string[]
  /** The code of the error that ended it, else its message. */
  failed?: string
  /** Resolves when it has ended, however. */
  ended: Promise<Asked>
  content(): string
}

export interface AskOptions {
  method?: string
  fields?: string[]
  body?: Readable
  /** Called with each piece. */
  onData?: (asked: Asked, piece: Buffer) => void
  onHead?: (asked: Asked) => void
}

export function startPool(t: Scope, url: string, options: Partial<PoolOptions> = {}): Pool {
  const timeouts = { connectTimeout: 5000, headersTimeout: 5000, bodyTimeout: 5000 }
  const pool = createPool({
    url: new URL(url),
    ...timeouts,
    maxConnections: 100,
    tlsVerify: true,
    ...options,
  })
  t.teardown(() => pool.close())
  return pool
}

/** Sends a request. Events where none can be are thrown. */
export function ask(pool: Pool, path: string, options: AskOptions = {}): Asked {
  const { method = 'GET', fields = ['Host', 'test'], body = null } = options
  const { promise, resolve } = Promise.withResolvers<Asked>()
  let over = false
  const end = (how: Partial<Asked>) => {
    if (over) throw new Error('a second end')
    over = true
    resolve(Object.assign(asked, how))
  }
  const failed = (error: Error & { code?: string }) => end({ failed: error.code ?? error.message })
  const request = { method, path, fields, body, cause: null, awaited: true } as unknown as UpstreamRequest
  const asked: Asked = {
    transfer: null as never,
    interim: [],
    pieces: [],
    ended: promise,
    content: () => Buffer.concat(asked.pieces).toString('latin1'),
  }
  asked.transfer = pool.send(request, {
    interim: (status) => void asked.interim.push(status),
    failed,
    response({ status, fields }) {
      if (over || asked.status !== undefined) throw new Error('a second head')
      Object.assign(asked, { status, fields })
      options.onHead?.(asked)
      return {
        data(piece) {
          if (over) throw new Error('content behind the end')
          asked.pieces.push(piece)
          options.onData?.(asked, piece)
        },
        finished: (trailers) => end({ trailers }),
        failed,
      }
    },
  })
  return asked
}
