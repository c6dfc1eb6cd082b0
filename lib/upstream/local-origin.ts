import { IncomingMessage, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { fieldValue, without } from '../semantics/fields.ts'
import { PART_AND_CONDITION } from '../semantics/request-fields.ts'
import { captureResponse } from './captured-response.ts'
import type { Origin, UpstreamRequest } from './origin.ts'

export interface LocalOriginOptions {
  /** Has the service answer a request that no client sent. */
  answer(req: IncomingMessage, res: ServerResponse): void
  /** Whether a field of a request is kept from the service: it could change the answer and is not in the cache key. */
  hides(req: IncomingMessage, name: string): boolean
}

/** Lets a client's request go on in the service, which answers by `res`. `restore` gives the request its own fields back. */
export type GoOn = (res: ServerResponse, restore: () => void) => void

/** The service in this process as the origin of the cache before it. */
export interface LocalOrigin extends Origin {
  /**
   * The first upstream request that `req` makes necessary shall be no other than `req` itself, which goes on in the
   * service. Further ones, and those that nobody waits for, are made up.
   */
  offer(req: IncomingMessage, goOn: GoOn): void
  /** Takes the offer back: `req` is answered otherwise. */
  withdraw(req: IncomingMessage): void
  /** Whether `req` was made up here: it comes from the cache and must not come back to it. */
  isOurs(req: IncomingMessage): boolean
}

/** What the cache decides: which part of a representation is wanted, under which condition, and which coding of its variant. */
const DECIDED_BY_CACHE = ['accept-encoding', ...PART_AND_CONDITION]

/** Of a request with a body that is made up again without it, and of the one connection that it came by. */
const OF_ITS_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'transfer-encoding',
  'upgrade',
])

export function createLocalOrigin({ answer, hides }: LocalOriginOptions): LocalOrigin {
  const offers = new WeakMap<IncomingMessage, GoOn>()
  const ours = new WeakSet<IncomingMessage>()

  /** The fields in which the request that the cache makes differs from its client's; undefined = left out. */
  function changes(cause: IncomingMessage, asked: UpstreamRequest): Map<string, string | undefined> {
    const changed = new Map<string, string | undefined>()
    for (const name of Object.keys(cause.headers)) if (hides(cause, name)) changed.set(name, undefined)
    for (const name of DECIDED_BY_CACHE) changed.set(name, fieldValue(asked.fields, name))
    return changed
  }

  function makeUp(asked: UpstreamRequest): IncomingMessage {
    const { cause } = asked
    const req = new IncomingMessage(socketLike(cause.socket))
    const changed = changes(cause, asked)
    const rawHeaders = without(cause.rawHeaders, new Set([...changed.keys(), ...OF_ITS_CONNECTION]))
    const headers = { ...cause.headers }
    for (const name of OF_ITS_CONNECTION) delete headers[name]
    change(headers, changed)
    for (const [name, value] of changed) if (value !== undefined) rawHeaders.push(name, value)
    const { originalUrl = cause.url } = cause as { originalUrl?: string }
    Object.assign(req, { method: asked.method, url: originalUrl, headers, rawHeaders, complete: true })
    Object.assign(req, { httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1 })
    req.push(null)
    ours.add(req)
    return req
  }

  return {
    url: new URL('http://localhost'),
    offer: (req, goOn) => void offers.set(req, goOn),
    withdraw: (req) => void offers.delete(req),
    isOurs: (req) => ours.has(req),

    send(asked, handler) {
      const { cause } = asked
      const goOn = asked.awaited !== false && asked.method === cause.method ? offers.get(cause) : undefined
      if (goOn) offers.delete(cause)
      const req = goOn ? cause : makeUp(asked)
      const { response, transfer } = captureResponse(req, handler)
      // Not before the caller has the transfer: the service may answer at once.
      process.nextTick(() => {
        if (response.destroyed) return
        try {
          if (goOn) goOn(response, changeUntilRestored(cause.headers, changes(cause, asked)))
          else answer(req, response)
        } catch (error) {
          response.destroy(error as Error)
        }
      })
      return transfer
    },

    retire: async () => {},
    close: async () => {},
  }
}

type Headers = Record<string, string | string[] | undefined>

function change(headers: Headers, changed: ReadonlyMap<string, string | undefined>): void {
  for (const [name, value] of changed) {
    if (value === undefined) delete headers[name]
    else headers[name] = value
  }
}

function changeUntilRestored(headers: Headers, changed: ReadonlyMap<string, string | undefined>): () => void {
  const own = new Map([...changed.keys()].map((name) => [name, headers[name] as string | undefined]))
  change(headers, changed)
  return () => change(headers, own)
}

/** A connection that is none, with the address of the client that made its request necessary. */
function socketLike(socket: Socket): Socket {
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort } = socket
  const { encrypted } = socket as { encrypted?: boolean }
  const facts = { remoteAddress, remotePort, remoteFamily, localAddress, localPort, encrypted }
  const like = new Socket()
  for (const [name, value] of Object.entries(facts)) Object.defineProperty(like, name, { value })
  return like
}
