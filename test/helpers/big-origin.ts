import { bytesOf } from './bytes.ts'
import { type Exchange, type Origin, startOrigin } from './origin.ts'
import type { Scope } from './scope.ts'

/** A prime number of bytes, so that no slice looks like another one. */
const PERIOD = 1_048_573
const pattern = bytesOf(39, PERIOD)
const PIECE = 256 * 1024

export interface BigOptions {
  /** Length of every resource in bytes. */
  size: number
  /** Default 'max-age=3600'. */
  cacheControl?: string
}

/** An origin whose every path is a resource of any size, made as it is sent; ranges and a strong ETag. */
export function bigOrigin(t: Scope, { size, cacheControl = 'max-age=3600' }: BigOptions): Promise<Origin> {
  return startOrigin(t, async (request, exchange) => {
    const fields: Record<string, string> = {
      'Cache-Control': cacheControl,
      'Accept-Ranges': 'bytes',
      ETag: `"${request.target}"`,
    }
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.header('range') ?? '') ?? []
    const start = Number(first ?? 0)
    const end = last ? Math.min(Number(last) + 1, size) : size
    if (first !== undefined) fields['Content-Range'] = `bytes ${start}-${end - 1}/${size}`
    fields['Content-Length'] = String(end - start)
    await exchange.head({ status: first === undefined ? 200 : 206, fields })
    if (request.method !== 'HEAD') await writePattern(exchange, start, end)
  })
}

async function writePattern(exchange: Exchange, start: number, end: number): Promise<void> {
  for (let at = start; at < end; ) {
    const from = at % PERIOD
    const piece = pattern.subarray(from, Math.min(PERIOD, from + PIECE, from + end - at))
    await exchange.write(piece)
    at += piece.length
  }
}

/** Checks the bytes of a big resource as they arrive, from `start` on; `right` turns false at the first wrong one. */
export function patternCheck(start = 0) {
  let at = start
  const check = {
    right: true,
    onData(bytes: Buffer) {
      for (let done = 0; done < bytes.length; ) {
        const from = at % PERIOD
        const length = Math.min(PERIOD - from, bytes.length - done)
        check.right &&= bytes.compare(pattern, from, from + length, done, done + length) === 0
        done += length
        at += length
      }
    },
  }
  return check
}
