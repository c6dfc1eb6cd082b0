import { sha256 } from './bytes.ts'
import type { Exchange } from './origin.ts'

/** How a file is served; every default is what a correct origin does. */
export interface FileOptions {
  /** Default: a strong tag made from the bytes. null = none. */
  etag?: string | null
  /** Default: 1 January 2026. null = none. */
  lastModified?: string | null
  /** Default: 'max-age=3600'. null = none. */
  cacheControl?: string | null
  /** False: answers 200 to a range, as an origin without ranges does. */
  ranges?: boolean
  /** Sends the whole body by the chunked coding, without Content-Length. */
  chunked?: boolean
  /** More fields. */
  fields?: Record<string, string>
  /** What the bytes are: default application/octet-stream. */
  type?: string
}

export const JANUARY = 'Thu, 01 Jan 2026 00:00:00 GMT'

/** Tags of the files seen: hashing a large file for each range request would make the origin slow. */
const tags = new WeakMap<Buffer, string>()

export function etagOf(bytes: Buffer): string {
  let tag = tags.get(bytes)
  if (tag === undefined) tags.set(bytes, (tag = `"${sha256(bytes).slice(0, 16)}"`))
  return tag
}

/** RFC 9110 sections 13 and 14, for one file and single ranges (several ranges: the whole file, as is allowed). */
export async function respondFile(exchange: Exchange, bytes: Buffer, options: FileOptions): Promise<void> {
  const { request } = exchange
  const {
    etag = etagOf(bytes),
    lastModified = JANUARY,
    cacheControl = 'max-age=3600',
    ranges = true,
  } = options
  const fields: Record<string, string> = { Date: new Date().toUTCString() }
  if (etag !== null) fields.ETag = etag
  if (lastModified !== null) fields['Last-Modified'] = lastModified
  if (cacheControl !== null) fields['Cache-Control'] = cacheControl
  Object.assign(fields, options.fields)
  if (
    isNotModified(request.header('if-none-match'), request.header('if-modified-since'), etag, lastModified)
  ) {
    return exchange.respond({ status: 304, statusText: 'Not Modified', fields })
  }
  fields['Content-Type'] = options.type ?? 'application/octet-stream'
  if (ranges) fields['Accept-Ranges'] = 'bytes'

  const wanted = ranges && request.method === 'GET' ? request.header('range') : undefined
  const condition = request.header('if-range')
  const usable = condition === undefined || condition === etag || condition === lastModified
  const range = wanted !== undefined && usable ? parseRange(wanted, bytes.length) : 'whole'
  if (range === 'unsatisfiable') {
    fields['Content-Range'] = `bytes */${bytes.length}`
    return exchange.respond({ status: 416, statusText: 'Range Not Satisfiable', fields })
  }
  if (range !== 'whole') {
    fields['Content-Range'] = `bytes ${range.start}-${range.end - 1}/${bytes.length}`
    const body = bytes.subarray(range.start, range.end)
    return exchange.respond({ status: 206, statusText: 'Partial Content', fields, body })
  }
  if (!options.chunked) {
    fields['Content-Length'] = String(bytes.length)
    return exchange.respond({ status: 200, statusText: 'OK', fields, body: bytes })
  }
  fields['Transfer-Encoding'] = 'chunked'
  await exchange.head({ status: 200, statusText: 'OK', fields })
  if (request.method === 'HEAD') return
  for (let at = 0; at < bytes.length; at += 50_000) await exchange.chunk(bytes.subarray(at, at + 50_000))
  await exchange.chunk()
}

function isNotModified(
  ifNoneMatch: string | undefined,
  ifModifiedSince: string | undefined,
  etag: string | null,
  lastModified: string | null,
): boolean {
  if (ifNoneMatch !== undefined) {
    const weak = (tag: string) => tag.trim().replace(/^W\//, '')
    return ifNoneMatch
      .split(',')
      .some((tag) => tag.trim() === '*' || (etag !== null && weak(tag) === weak(etag)))
  }
  if (ifModifiedSince === undefined || lastModified === null) return false
  return Date.parse(lastModified) <= Date.parse(ifModifiedSince)
}

function parseRange(
  value: string,
  length: number,
): 'whole' | 'unsatisfiable' | { start: number; end: number } {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(value) ?? []
  if (first === undefined || (first === '' && last === '')) return 'whole'
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first)
  const end = first === '' || last === '' ? length : Math.min(length, Number(last) + 1)
  if (first !== '' && last !== '' && Number(last) < Number(first)) return 'whole'
  return start >= end ? 'unsatisfiable' : { start, end }
}
