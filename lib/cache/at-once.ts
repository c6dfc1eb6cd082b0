import type { Socket } from 'node:net'
import { type CacheKeyOptions, cacheKey, parseTarget, type Target } from '../semantics/key.ts'
import { readPlainRequest } from '../semantics/plain-request.ts'
import { arePassedAsSent } from '../semantics/request-fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { selectHead } from '../semantics/vary.ts'
import type { Context } from './context.ts'
import { observeTtfb } from './counters.ts'
import type { Exchanges } from './exchange.ts'
import { countHit, findFresh, needsMore } from './fast-path.ts'
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
 * Answers a hit from the bytes of its request, with the very bytes that it would get by way of node:http. Everything that is
 * not a plain GET of something fresh in memory is left to that.
 *
 * @param length bytes of the request
 * @param longest bytes that the body may have
 * @returns null = nothing has happened
 */
export type AnswerAtOnce = (
  request: RequestBytes,
  length: number,
  socket: Socket,
  longest: number,
) => ReadyResponse | null

/** What was read of a request whose fields ask for nothing special. */
interface Asked {
  fields: FieldList
  scheme: string
  target: Target
  key: string
}

export function createAnswerAtOnce(
  context: Context,
  options: AtOnceOptions,
  exchanges: Exchanges,
  hot: HotObjects,
): AnswerAtOnce {
  const { counters } = context
  const responses = createReadyResponses()
  // Made when it is first needed: most caches are not asked in this way.
  let known: KnownRequests<Asked> | undefined

  function read(text: string, socket: Socket): Asked | null {
    const request = readPlainRequest(text)
    if (request === null || needsMore(request.fields)) return null
    const { fields } = request
    const scheme = exchanges.schemeOf(socket, fields)
    const target = parseTarget('GET', request.path, request.host, scheme)
    return target.ok ? { fields, scheme, target, key: cacheKey(target, options.key) } : null
  }

  function answer(
    request: RequestBytes,
    length: number,
    socket: Socket,
    longest: number,
  ): ReadyResponse | null {
    const startedAt = performance.now()
    known ??= createKnownRequests()
    let asked = known.find(request, length)
    const isKnown = asked !== undefined && asked.scheme === exchanges.schemeOf(socket, asked.fields)
    if (!isKnown) asked = read(request.bytes.toString('latin1', 0, length), socket) ?? undefined
    if (asked === undefined) return null
    const found = findFresh(context, asked.key, asked.fields, selectAsSent)
    if (found === null || found.length > longest || found.head.status === 204) return null
    const response = responses.of(found, options.isKeyShown() ? asked.key : undefined, options.keepAlive())
    if (response === null) return null
    if (!isKnown) known.remember(request, length, asked)
    counters.requests++
    counters.responsesByClass[Math.floor(found.head.status / 100)]++
    countHit(counters, found)
    hot.see(asked.target)
    observeTtfb(counters, (performance.now() - startedAt) / 1000)
    return response
  }

  return (request, length, socket, longest) => {
    try {
      return answer(request, length, socket, longest)
    } catch (error) {
      // Thrown from an event of the connection it would end the process.
      context.log?.warn({ err: error }, 'could not answer a request at once')
      return null
    }
  }
}

/** What needs to know more of a request than its fields to select is not for here. */
function selectAsSent(heads: readonly Head[], fields: FieldList): Head | undefined {
  // A plain request has no Connection field that nominates others.
  for (const { vary } of heads) if (vary.length > 0 && !arePassedAsSent(vary, fields)) return undefined
  return selectHead(heads, fields)
}
