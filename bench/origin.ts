// The bench's origin, a process of its own: node:http with as little in the way as possible. Tells its port by IPC.
import { createServer, type ServerResponse } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { bytesOf } from '../test/helpers/bytes.ts'

const PIECE = bytesOf(1, 64 * 1024)

const server = createServer((request, response) => {
  const [, kind, length] = /^\/(bytes|slow)\/(\d+)/.exec(request.url!) ?? []
  if (kind === undefined) return void response.writeHead(404).end()
  response.writeHead(200, {
    'Content-Length': length,
    'Content-Type': 'application/octet-stream',
    'Cache-Control': kind === 'slow' ? 'no-store' : 'max-age=3600',
    ETag: `"${length}"`,
  })
  if (kind === 'slow') void sendSlowly(response, Number(length))
  else send(response, Number(length))
})

function send(response: ServerResponse, length: number): void {
  if (length <= PIECE.length) return void response.end(PIECE.subarray(0, length))
  pipeline(Readable.from(pieces(length), { objectMode: false }), response, () => {})
}

function* pieces(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= PIECE.length)
    yield PIECE.subarray(0, Math.min(left, PIECE.length))
}

/** Over 800 ms. The first 20 bytes are the moment they were sent (process.hrtime, the same clock in all processes). */
async function sendSlowly(response: ServerResponse, length: number): Promise<void> {
  const pieces = 32
  const piece = Buffer.alloc(length / pieces, 'x')
  response.flushHeaders()
  await wait(100)
  for (let i = 0; i < pieces; i++) {
    if (i > 0) await wait(700 / (pieces - 1))
    if (i === 0)
      response.write(String(process.hrtime.bigint()).padStart(20, '0') + piece.toString('latin1', 20))
    else response.write(piece)
  }
  response.end()
}

server.keepAliveTimeout = 60_000
server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
  process.send!((server.address() as { port: number }).port)
})
process.on('disconnect', () => process.exit())
