import type { Socket } from 'node:net'
import { fieldValue } from '../semantics/fields.ts'
import { type CacheKeyOptions, cacheKey, parseTarget } from '../semantics/key.ts'
import { readPlainRequest } from '../semantics/plain-request.ts'
import { parseRangeSpec, type RangeSpecs } from '../semantics/ranges.ts'
import { arePassedAsSent } from '../semantics/request-fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { selectHead } from '../semantics/vary.ts'
import type { ClientResponse, Context, Exchange } from './context.ts'
import { observeTtfb } from './counters.ts'
import type { Exchanges, PlainGet } from './exchange.ts'
import { countHit, type Found, findFresh, findFreshPart, needsMore } from './fast-path.ts'
import type { HotObjects } from './hot-objects.ts'
import { createKnownRequests, type KnownRequests, type RequestMemory } from './known-requests.ts'
import { createReadyResponses, type ReadyResponse } from './ready-responses.ts'

export interface AtOnceOptions {
  key: CacheKeyOptions
  /** Whether Cache-Status tells the cache key. */
  isKeyShown(): boolean
  /** What Keep-Alive says, in milliseconds; 0 = it says nothing. Read for each response. */
  keepAlive(): number
}

/** Bytes of a request, which are there until the call returns. */
export interface RequestBytes extends RequestMemory {
  readonly bytes: Buffer
}

/**
 * Answers a plain GET from the bytes of its request, with the very bytes that it would get by way of node:http: at once, if it is of
 * something fresh in memory, else on a response that it opens. Everything that is no plain GET is left to node:http.
 *
 * @param length bytes of the request
 * @param longest bytes that a body which is sent at once may have
 * @param open gives the response; null = there can be none
 * @returns null = nothing has happened
 */
export type AnswerAtOnce = (
  request: RequestBytes,
  length: number,
  socket: Socket,
  longest: number,
  open: () => ClientResponse | null,
) => ReadyResponse | 'taken' | null

/** What was read of a request. */
interface Asked extends PlainGet {
  scheme: string
  /** What of it is asked for, where its fields ask for nothing special besides; null = they do. */
  part: RangeSpecs | null
}

export function createAnswerAtOnce(
  context: Context,
  options: AtOnceOptions,
  exchanges: Exchanges,
  hot: HotObjects,
  /** Serves what was not answered at once. */
  serve: (exchange: Exchange) => void,
): AnswerAtOnce {
  const { counters } = context
  const responses = createReadyResponses()
  // Made when it is first needed: most caches are not asked in this way.
  let known: KnownRequests<Asked> | undefined

  function read(text: string, socket: Socket): Asked | null {
    const request = readPlainRequest(text)
    if (request === null) return null
    const { fields } = request
    const scheme = exchanges.schemeOf(socket, fields)
    const target = parseTarget('GET', request.path, request.host, scheme)
    if (!target.ok) return null
    const part = needsMore(fields) ? null : parseRangeSpec(fieldValue(fields, 'range'))
    return { fields, scheme, target, key: cacheKey(target, options.key), part }
  }

  function find({ key, fields, part }: Asked): Found | null {
    if (part?.kind === 'none') return findFresh(context, key, fields, selectAsSent)
    if (part?.kind === 'specs') return findFreshPart(context, key, fields, part.specs, selectAsSent)
    return null
  }

  function ready(asked: Asked, longest: number): ReadyResponse | null {
    const startedAt = performance.now()
    const found = find(asked)
    if (found === null || found.length > longest || found.head.status === 204) return null
    const response = responses.of(found, options.isKeyShown() ? asked.key : undefined, options.keepAlive())
    if (response === null) return null
    counters.requests++
    counters.responsesByClass[Math.floor(found.head.status / 100)]++
    countHit(counters, found)
    observeTtfb(counters, (performance.now() - startedAt) / 1000)
    return response
  }

  function answer(
    request: RequestBytes,
    length: number,
    socket: Socket,
    longest: number,
    open: () => ClientResponse | null,
  ): ReadyResponse | 'taken' | null {
    known ??= createKnownRequests()
    let asked = known.find(request, length)
    const isKnown = asked !== undefined && asked.scheme === exchanges.schemeOf(socket, asked.fields)
    if (!isKnown) asked = read(request.bytes.toString('latin1', 0, length), socket) ?? undefined
    if (asked === undefined) return null
    const response = ready(asked, longest)
    if (response !== null) {
      // What is asked for once is not worth its place.
      if (!isKnown) known.remember(request, length, asked)
      hot.see(asked.target)
      return response
    }
    const res = open()
    if (res === null) return null
    serve(exchanges.openPlain(asked, socket, res))
    return 'taken'
  }

  return (request, length, socket, longest, open) => {
    let res: ClientResponse | null = null
    try {
      return answer(request, length, socket, longest, () => (res = open()))
    } catch (error) {
      // Thrown from an event of the connection it would end the process.
      context.log?.warn({ err: error }, 'could not answer a request at once')
      if (res === null) return null
      socket.destroy()
      return 'taken'
    }
  }
}

/** What needs to know more of a request than its fields to select is not for here. */
function selectAsSent(heads: readonly Head[], fields: FieldList): Head | undefined {
  // A plain request has no Connection field that nominates others.
  for (const { vary } of heads) if (vary.length > 0 && !arePassedAsSent(vary, fields)) return undefined
  return selectHead(heads, fields)
}
