import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type CacheKeyOptions, cacheKey, parseTarget } from '../semantics/key.ts'
import { readPlainRequest } from '../semantics/plain-request.ts'
import { arePassedAsSent } from '../semantics/request-fields.ts'
import { addCacheFields } from '../semantics/response-fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { selectHead } from '../semantics/vary.ts'
import type { Context } from './context.ts'
import { observeTtfb } from './counters.ts'
import type { Exchanges } from './exchange.ts'
import { countHit, type Found, findInMemory, hitFields } from './fast-path.ts'
import type { HotObjects } from './hot-objects.ts'

/** A whole response that was ready. */
export interface ReadyResponse {
  /** One character for each byte. */
  head: string
  body: readonly Buffer[]
  /** Bytes of the body. */
  length: number
}

export interface AtOnceOptions {
  key: CacheKeyOptions
  /** Whether Cache-Status tells the cache key. */
  isKeyShown(): boolean
  /** What Keep-Alive says, in milliseconds; 0 = it says nothing. Read for each response. */
  keepAlive(): number
}

/**
 * Answers a hit from the bytes of its request, with the very bytes that it would get by way of node:http. Everything that is
 * not a plain GET of something fresh in memory is left to that.
 *
 * @param longest bytes that the body may have
 * @returns null = nothing has happened
 */
export type AnswerAtOnce = (text: string, socket: Socket, longest: number) => ReadyResponse | null

/** Heads whose first lines are kept ready; longer ones are not, whoever makes them up must not fill memory. */
const READY_HEADS = 1000
const READY_LENGTH = 4000

/** What stays the same in all responses of one head, and the whole of the last one. */
interface Ready {
  /** Status line and stored fields; null = node:http would say more, or less. */
  first: string | null
  text: string
  age: number | null
  cacheStatus: string
  keepAlive: number
}

export function createAnswerAtOnce(
  context: Context,
  options: AtOnceOptions,
  exchanges: Exchanges,
  hot: HotObjects,
): AnswerAtOnce {
  const { counters } = context
  const known = new Map<Head, Ready>()

  function readyOf(head: Head): Ready {
    const before = known.get(head)
    if (before !== undefined) return before
    const ready = { first: firstLines(head), text: '', age: null, cacheStatus: '', keepAlive: 0 }
    if ((ready.first?.length ?? 0) > READY_LENGTH) return ready
    if (known.size === READY_HEADS) known.clear()
    known.set(head, ready)
    return ready
  }

  function headOf(found: Found, shownKey: string | undefined): string | null {
    const ready = readyOf(found.head)
    if (ready.first === null) return null
    const own = hitFields(found, shownKey)
    const keepAlive = options.keepAlive()
    // Both change once a second.
    if (ready.age === own.age && ready.cacheStatus === own.cacheStatus && ready.keepAlive === keepAlive) {
      return ready.text
    }
    const fields: FieldList = []
    addCacheFields(fields, own)
    fields.push('Content-Length', String(found.length), 'Connection', 'keep-alive')
    if (keepAlive > 0) fields.push('Keep-Alive', `timeout=${Math.floor(keepAlive / 1000)}`)
    const { age, cacheStatus } = own
    Object.assign(ready, { text: `${ready.first}${lines(fields)}\r\n`, age, cacheStatus, keepAlive })
    return ready.text
  }

  function answer(text: string, socket: Socket, longest: number): ReadyResponse | null {
    const startedAt = performance.now()
    const request = readPlainRequest(text)
    if (request === null) return null
    const { fields } = request
    const target = parseTarget('GET', request.path, request.host, exchanges.schemeOf(socket, fields))
    if (!target.ok) return null
    const key = cacheKey(target, options.key)
    const found = findInMemory(context, key, fields, (heads) => selectAsSent(heads, fields))
    if (found === null || found.length > longest || found.head.status === 204) return null
    const head = headOf(found, options.isKeyShown() ? key : undefined)
    if (head === null) return null
    counters.requests++
    counters.responsesByClass[Math.floor(found.head.status / 100)]++
    countHit(counters, found)
    hot.see(target)
    observeTtfb(counters, (performance.now() - startedAt) / 1000)
    return { head, body: found.segments, length: found.length }
  }

  return (text, socket, longest) => {
    try {
      return answer(text, socket, longest)
    } catch (error) {
      // Thrown from an event of the connection it would end the process.
      context.log?.warn({ err: error }, 'could not answer a request at once')
      return null
    }
  }
}

/** What needs to know more of a request than its fields to select is not for here. */
function selectAsSent(heads: readonly Head[], fields: FieldList): Head | undefined {
  for (const { vary } of heads) if (!arePassedAsSent(vary, fields)) return undefined
  return selectHead(heads, fields)
}

/** node:http reads these in a response, and acts on them. */
const READ_BY_NODE: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** What a line may have (RFC 9110 section 5.5). Stored fields were received by a parser: this is the last look. */
const CLEAN = /^[\t\x20-\x7e\x80-\xff]*$/

function firstLines({ status, fields }: Head): string | null {
  let dated = false
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i].toLowerCase()
    if (READ_BY_NODE.has(name) || !CLEAN.test(fields[i]) || !CLEAN.test(fields[i + 1])) return null
    dated ||= name === 'date'
  }
  const reason = STATUS_CODES[status]
  return dated && reason !== undefined ? `HTTP/1.1 ${status} ${reason}\r\n${lines(fields)}` : null
}

function lines(fields: FieldList): string {
  let text = ''
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
  return text
}
