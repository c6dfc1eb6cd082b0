import { STATUS_CODES } from 'node:http'
import { ageAt } from '../semantics/freshness.ts'
import { contentRange } from '../semantics/ranges.ts'
import { addCacheFields, NOT_OF_A_PART } from '../semantics/response-fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { type Found, hitFields } from './fast-path.ts'

/** A whole response, to be sent in this order. */
export interface ReadyResponse {
  /** Head; of a short body its bytes behind it. Never written to again. */
  first: Buffer
  /** The body, where it is not in `first`. */
  rest: readonly Buffer[]
  /** Bytes of the body. */
  length: number
}

/**
 * Responses as node:http would send them, whole in memory: what changes in those of one head is a second (`Age` and `ttl`), and
 * until it has passed the same bytes are sent again.
 */
export interface ReadyResponses {
  /**
   * @param shownKey the cache key, where Cache-Status tells it
   * @param keepAlive milliseconds that Keep-Alive tells; 0 = there is none
   * @returns null = node:http would say more than the head does, or less
   */
  of(found: Found, shownKey: string | undefined, keepAlive: number): ReadyResponse | null
}

/** Bytes of the responses that are kept, before the older half of them goes. */
const MOST_BYTES = 8 * 1024 * 1024
/** Characters of status line and fields; longer ones are made anew each time. */
const LONGEST_HEAD = 4000
/** A body up to this is copied behind its head once a second: one write of one Buffer costs less than one of two. */
const SHORT_BODY = 4096
/** Of one of them: objects, Buffer, places in the Map. */
const OVERHEAD = 500
const NOTHING: readonly Buffer[] = []

/** The last response of a head, and what it was made of. */
interface Ready {
  /** Status line and stored fields; null = not to be sent from here. */
  readonly lines: string | null
  /** The same of a part, made when one is first asked for. */
  partLines: string | null | undefined
  age: number
  ttl: number
  shownKey: string | undefined
  keepAlive: number
  first: Buffer
  /** The whole of it, where the body is short, and the segments that it has a copy of. */
  whole: ReadyResponse | null
  segments: readonly Buffer[]
}

export function createReadyResponses(): ReadyResponses {
  let known = new Map<Head, Ready>()
  let older = new Map<Head, Ready>()
  let bytes = 0

  function readyOf(found: Found): Ready {
    const { head } = found
    const before = known.get(head)
    if (before !== undefined) return before
    const ready = older.get(head) ?? emptyReady(head)
    if ((ready.lines?.length ?? 0) <= LONGEST_HEAD) keep(ready, found)
    return ready
  }

  function keep(ready: Ready, { head, length }: Found): void {
    // The lines as text, as those of a part and as bytes, the body as it is stored and behind the head.
    bytes += 3 * (ready.lines?.length ?? 0) + 2 * (length <= SHORT_BODY ? length : 0) + OVERHEAD
    if (bytes > MOST_BYTES / 2) {
      older = known
      known = new Map()
      bytes = 0
    }
    known.set(head, ready)
  }

  function renew(ready: Ready, found: Found): void {
    const { segments, length } = found
    const head = `${ready.lines}${freshLines(found, ready.shownKey, ready.keepAlive)}\r\n`
    const isWhole = length <= SHORT_BODY
    const first = Buffer.allocUnsafeSlow(head.length + (isWhole ? length : 0))
    first.write(head, 'latin1')
    if (isWhole) putTogether(first, head.length, segments)
    ready.first = first
    ready.whole = isWhole ? { first, rest: NOTHING, length } : null
    ready.segments = isWhole ? segments : NOTHING
  }

  /** Made anew each time: of the parts of a representation hardly one is asked for twice in a second. */
  function partOf(
    ready: Ready,
    found: Found,
    shownKey: string | undefined,
    keepAlive: number,
  ): ReadyResponse | null {
    if (ready.partLines === undefined)
      ready.partLines = isOfWhole(found.head) ? null : firstLines(206, found.head.fields)
    if (ready.partLines === null) return null
    const head = `${ready.partLines}${freshLines(found, shownKey, keepAlive)}\r\n`
    return { first: Buffer.from(head, 'latin1'), rest: found.segments, length: found.length }
  }

  return {
    of(found, shownKey, keepAlive) {
      const { head, segments, length, now } = found
      const ready = readyOf(found)
      if (found.range !== null) return partOf(ready, found, shownKey, keepAlive)
      if (ready.lines === null) return null
      const age = ageAt(head, now)
      const ttl = Math.floor((head.freshUntil - now) / 1000)
      const isSame =
        ready.age === age &&
        ready.ttl === ttl &&
        ready.shownKey === shownKey &&
        ready.keepAlive === keepAlive &&
        (ready.whole === null || ready.segments === segments)
      if (!isSame) {
        Object.assign(ready, { age, ttl, shownKey, keepAlive })
        renew(ready, found)
      }
      return ready.whole ?? { first: ready.first, rest: segments, length }
    },
  }
}

function putTogether(into: Buffer, at: number, segments: readonly Buffer[]): void {
  for (const segment of segments) {
    into.set(segment, at)
    at += segment.length
  }
}

const NO_BYTES = Buffer.alloc(0)

function emptyReady(head: Head): Ready {
  return {
    lines: firstLines(head.status, head.fields),
    partLines: undefined,
    age: -1,
    ttl: -1,
    shownKey: undefined,
    keepAlive: 0,
    first: NO_BYTES,
    whole: null,
    segments: NOTHING,
  }
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

function firstLines(status: number, fields: FieldList): string | null {
  let dated = false
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i].toLowerCase()
    if (READ_BY_NODE.has(name) || !CLEAN.test(fields[i]) || !CLEAN.test(fields[i + 1])) return null
    dated ||= name === 'date'
  }
  const reason = STATUS_CODES[status]
  return dated && reason !== undefined ? `HTTP/1.1 ${status} ${reason}\r\n${lines(fields)}` : null
}

/** What a stored head does not say, as node:http would send it. */
function freshLines(found: Found, shownKey: string | undefined, keepAlive: number): string {
  const { head, range, length } = found
  const fields: FieldList = []
  addCacheFields(fields, hitFields(found, shownKey))
  if (range !== null) fields.push('Content-Range', contentRange(range.first, range.last, head.length))
  fields.push('Content-Length', String(length), 'Connection', 'keep-alive')
  if (keepAlive > 0) fields.push('Keep-Alive', `timeout=${Math.floor(keepAlive / 1000)}`)
  return lines(fields)
}

/** Some of it is not sent with a part. */
function isOfWhole({ fields }: Head): boolean {
  for (let i = 0; i < fields.length; i += 2) if (NOT_OF_A_PART.has(fields[i].toLowerCase())) return true
  return false
}

function lines(fields: FieldList): string {
  let text = ''
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
  return text
}
