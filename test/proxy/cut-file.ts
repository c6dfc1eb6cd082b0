import { etagOf } from '../helpers/file-response.ts'
import type { Exchange } from '../helpers/origin.ts'

export interface CutOptions {
  /** Absolute offset in the file after which no byte is sent; at its very length a chunked body lacks the last chunk only. */
  at: number
  /** Default 'length'. */
  framing?: 'length' | 'chunked'
  /** How the connection ends: FIN (the default) or RST. */
  how?: 'end' | 'reset'
  /** Default: a strong tag made from the bytes. null = no validator at all, and no ranges. */
  etag?: string | null
  /** Waited for before the connection ends. */
  until?: Promise<unknown>
}

/** Answers a GET for a file as a correct origin does, but its connection ends early at an exact offset. */
export async function cutFile(exchange: Exchange, bytes: Buffer, options: CutOptions): Promise<void> {
  const { at, framing = 'length', how = 'end', etag = etagOf(bytes), until } = options
  const { request } = exchange
  const condition = request.header('if-range')
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.header('range') ?? '')
  const ranged = asked !== null && etag !== null && (condition === undefined || condition === etag)
  const first = ranged ? Number(asked[1]) : 0
  const end = ranged && asked[2] !== '' ? Math.min(Number(asked[2]) + 1, bytes.length) : bytes.length

  const fields = ['Date', new Date().toUTCString(), 'Cache-Control', 'max-age=3600']
  if (etag !== null) fields.push('ETag', etag)
  if (ranged) fields.push('Content-Range', `bytes ${first}-${end - 1}/${bytes.length}`)
  if (framing === 'length') fields.push('Content-Length', String(end - first))
  else fields.push('Transfer-Encoding', 'chunked')
  await exchange.head({ status: ranged ? 206 : 200, fields })

  const last = Math.min(at, end)
  for (let from = first; from < last; from += 30_000) {
    const piece = bytes.subarray(from, Math.min(from + 30_000, last))
    if (framing === 'length') await exchange.write(piece)
    else await exchange.chunk(piece)
  }
  if (framing === 'chunked' && end < at) return exchange.chunk()
  if (framing === 'length' && end <= at) return
  if (until) await exchange.stall(until)
  if (how === 'end') exchange.end()
  else await exchange.reset()
}
