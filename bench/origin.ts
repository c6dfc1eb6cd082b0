// The bench's origin, a process of its own, which tells its port by IPC. A socket without node:http around it, one write a
// response: it shall not be what a miss waits for.
//   /bytes/LENGTH  cacheable       /pass/LENGTH  no-store       /late/MS/LENGTH  cacheable, after a while
//   /slow/LENGTH   over 800 ms     /requests     how many of the above were asked for
// Anything may stand in front and a query behind. GET and HEAD, one range.
import { createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { contentOf, PIECE_LENGTH } from './origin-content.ts'

const CHUNK = contentOf(1024 * 1024)
const HEAD_END = '\r\n\r\n'
const REQUESTS = /^\S+ \S*\/requests /
const TARGET = /^(GET|HEAD) \S*?\/(bytes|pass|slow|late\/(\d+))\/(\d+)[ ?]/
const RANGE = /^range: *bytes=(\d+)-(\d*)/im

let requests = 0
let date = new Date().toUTCString()
setInterval(() => (date = new Date().toUTCString()), 1000).unref()

interface Wanted {
  kind: string
  length: number
  delay: number
  isHead: boolean
  /** Of the body, `end` not included. */
  start: number
  end: number
  isPartial: boolean
}

/** Requests without a body only: what follows a head is the next one, which waits until the one before is answered. */
function serve(socket: Socket): void {
  let text = ''
  let isBusy = false
  function next(): void {
    for (let end = text.indexOf(HEAD_END); end >= 0 && !isBusy; end = text.indexOf(HEAD_END)) {
      const head = text.slice(0, end)
      text = text.slice(end + HEAD_END.length)
      const sending = answer(socket, head)
      if (sending === undefined) continue
      isBusy = true
      sending.then(() => {
        isBusy = false
        next()
      })
    }
  }
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
    next()
  })
  // Its errors mean that the client is gone.
  socket.on('error', () => socket.destroy())
}

/** Answers at once, or resolves when it has. */
function answer(socket: Socket, head: string): Promise<void> | undefined {
  if (REQUESTS.test(head)) return void socket.write(plain('200 OK', String(requests)))
  const wanted = wantedBy(head)
  if (wanted === undefined) return void socket.write(plain('404 Not Found', ''))
  requests++
  if (wanted.kind === 'slow') return sendSlowly(socket, wanted)
  if (wanted.delay > 0) return wait(wanted.delay).then(() => send(socket, wanted))
  return send(socket, wanted)
}

function wantedBy(head: string): Wanted | undefined {
  const found = TARGET.exec(head)
  if (found === null) return undefined
  const length = Number(found[4])
  const range = RANGE.exec(head)
  const start = Number(range?.[1] ?? 0)
  const isPartial = range !== null && start < length
  const end = isPartial && range[2] !== '' ? Math.min(Number(range[2]) + 1, length) : length
  return {
    kind: found[2],
    length,
    delay: Number(found[3] ?? 0),
    isHead: found[1] === 'HEAD',
    start: isPartial ? start : 0,
    end,
    isPartial,
  }
}

function headOf({ kind, length, start, end, isPartial }: Wanted): string {
  const cacheControl = kind === 'pass' || kind === 'slow' ? 'no-store' : 'max-age=3600'
  const range = isPartial ? `Content-Range: bytes ${start}-${end - 1}/${length}\r\n` : ''
  return `HTTP/1.1 ${isPartial ? '206 Partial Content' : '200 OK'}\r
Content-Type: application/octet-stream\r
Cache-Control: ${cacheControl}\r
ETag: "${length}"\r
Last-Modified: Mon, 02 Mar 2026 08:00:00 GMT\r
Accept-Ranges: bytes\r
Date: ${date}\r
${range}Content-Length: ${end - start}\r
\r
`
}

function send(socket: Socket, wanted: Wanted): Promise<void> | undefined {
  socket.cork()
  socket.write(headOf(wanted), 'latin1')
  if (!wanted.isHead && wanted.start < wanted.end) socket.write(pieceAt(wanted, wanted.start))
  socket.uncork()
  if (!wanted.isHead && wanted.end - wanted.start > CHUNK.length / 2) return sendRest(socket, wanted)
}

/** At the pace of the peer. */
async function sendRest(socket: Socket, wanted: Wanted): Promise<void> {
  for (let at = wanted.start; ; ) {
    at += pieceAt(wanted, at).length
    if (socket.writableNeedDrain && !socket.destroyed) await drained(socket)
    if (at >= wanted.end || socket.destroyed) return
    socket.write(pieceAt(wanted, at))
  }
}

/** The content repeats itself: a place in it is one in the chunk. */
function pieceAt(wanted: Wanted, at: number): Buffer {
  const from = at % PIECE_LENGTH
  return CHUNK.subarray(from, from + wanted.end - at)
}

/** Over 800 ms. The first 20 bytes are the moment they were sent (process.hrtime, the same clock in all processes). */
async function sendSlowly(socket: Socket, wanted: Wanted): Promise<void> {
  const pieces = 32
  const piece = Buffer.alloc(wanted.length / pieces, 'x')
  socket.write(headOf(wanted), 'latin1')
  await wait(100)
  for (let i = 0; i < pieces && !wanted.isHead; i++) {
    if (i > 0) await wait(700 / (pieces - 1))
    if (i > 0) socket.write(piece)
    else socket.write(String(process.hrtime.bigint()).padStart(20, '0') + piece.toString('latin1', 20))
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.once('drain', done).once('close', done)
  })
}

function plain(status: string, body: string): string {
  return `HTTP/1.1 ${status}\r\nCache-Control: no-store\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

const server = createServer({ noDelay: true }, serve)
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send!((server.address() as { port: number }).port)
})
process.on('disconnect', () => process.exit())
