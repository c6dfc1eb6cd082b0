import { createReadStream, type Stats, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'

/** A file that the origin serves. */
export interface OriginFile {
  /** Where it is on disk. */
  file: string
  type: string
}

/** A small correct origin: files with ETag, Last-Modified, single ranges and conditional requests. */
export function createOrigin(files: Record<string, OriginFile>): Server {
  return createServer((request, response) => {
    const found = files[request.url ?? '']
    if (found === undefined) return void response.writeHead(404).end('no such file\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end()
    serve(found, request, response)
  })
}

function serve({ file, type }: OriginFile, request: IncomingMessage, response: ServerResponse): void {
  const stats = statSync(file)
  const etag = `"${stats.size.toString(16)}-${Math.floor(stats.mtimeMs).toString(16)}"`
  response.setHeader('ETag', etag)
  response.setHeader('Last-Modified', stats.mtime.toUTCString())
  response.setHeader('Cache-Control', 'max-age=3600')
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end()
  response.setHeader('Content-Type', type)
  response.setHeader('Accept-Ranges', 'bytes')

  const range = rangeOf(request, etag, stats)
  if (range === 'unsatisfiable') {
    return void response.writeHead(416, { 'Content-Range': `bytes */${stats.size}` }).end()
  }
  const { start, end } = range ?? { start: 0, end: stats.size - 1 }
  response.setHeader('Content-Length', end - start + 1)
  if (range !== undefined) response.setHeader('Content-Range', `bytes ${start}-${end}/${stats.size}`)
  response.writeHead(range === undefined ? 200 : 206)
  if (request.method === 'HEAD') return void response.end()
  pipeline(createReadStream(file, { start, end }), response, () => {})
}

/** First and last byte of a single range (RFC 9110 section 14); undefined = send the whole file. */
function rangeOf(request: IncomingMessage, etag: string, { size, mtime }: Stats) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  if (first === undefined || (first === '' && last === '') || request.method === 'HEAD') return undefined
  const condition = request.headers['if-range']
  if (condition !== undefined && condition !== etag && condition !== mtime.toUTCString()) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(size - 1, Number(last))
  if (start >= size) return 'unsatisfiable' as const
  return start > end ? undefined : { start, end }
}
