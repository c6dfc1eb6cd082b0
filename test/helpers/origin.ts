import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { type FileOptions, respondFile } from './file-response.ts'
import type { Scope } from './scope.ts'
import { createWire, fieldValue, parseHead, type RawHead, readBody, type Wire } from './wire.ts'

/** One request as it reached the origin. */
export interface OriginRequest extends RawHead {
  method: string
  target: string
  /** All values of one field joined by ', '. */
  header(name: string): string | undefined
  /** The whole body; of what came so far, when the connection ended first. */
  body: Promise<Buffer>
  /** Body bytes so far. */
  received: number
  /** Which connection brought it, counted from 0, and which request of that connection it is. */
  connection: number
  turn: number
}

export interface Response {
  /** Default 200. */
  status?: number
  statusText?: string
  fields?: string[] | Record<string, string>
  body?: string | Buffer
}

/**
 * The script's hands on the connection. Every wait throws when the peer has gone: that ends the script silently.
 */
export interface Exchange {
  readonly request: OriginRequest
  readonly socket: Socket
  /** Resolves when the connection is closed, from either side. */
  readonly gone: Promise<void>
  /** A whole response with Content-Length, unless the fields have a framing of their own. */
  respond(response: Response): Promise<void>
  /** What a correct origin answers for this file: 200, 206, 304, 416, HEAD. */
  respondFile(bytes: Buffer, options?: FileOptions): Promise<void>
  /** Status line and fields only. */
  head(response: Response): Promise<void>
  /** Exact bytes; resolves when the kernel has taken them. */
  write(bytes: string | Buffer): Promise<void>
  /** Exact bytes, `size` at a time with `ms` milliseconds between the pieces. */
  drip(bytes: Buffer, size: number, ms: number): Promise<void>
  /** One chunk of the chunked coding; without bytes the last one. */
  chunk(bytes?: string | Buffer): Promise<void>
  /** Waits for milliseconds, or for a promise. */
  stall(until: number | Promise<unknown>): Promise<void>
  /** FIN. */
  end(): void
  /** RST, after what was written had 20 ms to arrive. */
  reset(): Promise<void>
  /** For upgrades: from here on the bytes of this connection belong to the script. */
  takeOver(): Wire
}

export type Script = (request: OriginRequest, exchange: Exchange) => void | Promise<void>

export interface Origin {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** All requests, in the order of their arrival. */
  readonly requests: OriginRequest[]
  /** Connections ever accepted, and those open now. */
  readonly connections: number
  readonly open: number
  /** Bytes that the kernel took from the scripts, heads included. */
  readonly bytesSent: number
  /** From now on requests are answered by this script. */
  use(script: Script): void
  /** Closes all connections, busy or not, and goes on listening. */
  dropConnections(): void
  /** Refuses connections from now on; `start()` listens on the same port again. */
  stop(): Promise<void>
  start(): Promise<void>
}

const keyFile = join(import.meta.dirname, 'tls/key.pem')
/** For `NODE_EXTRA_CA_CERTS`, where the certificate is to be trusted. */
export const certificateFile = join(import.meta.dirname, 'tls/cert.pem')

export interface OriginOptions {
  /** Speaks TLS with the self-signed certificate of `tls/` (localhost, 127.0.0.1); the url begins with https. */
  tls?: boolean
}

/** An origin that does to each request exactly what the script says, whatever HTTP thinks of it. */
export async function startOrigin(t: Scope, script: Script, options: OriginOptions = {}): Promise<Origin> {
  const sockets = new Set<Socket>()
  const requests: OriginRequest[] = []
  let connections = 0
  let closedBytes = 0
  let current = script

  function accept(socket: Socket): void {
    const connection = connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      closedBytes += socket.bytesWritten
    })
    socket.setNoDelay(true)
    socket.setMaxListeners(0) // each request of a connection listens for its end
    serve(socket, connection, requests, (request, exchange) => current(request, exchange)).catch((error) => {
      if (error !== GONE) throw error
    })
  }

  const server = options.tls
    ? createTlsServer({ key: readFileSync(keyFile), cert: readFileSync(certificateFile) }, accept)
    : createServer(accept)
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy()
  }
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      dropConnections()
    })

  await listen(0)
  const { port } = server.address() as { port: number }
  t.teardown(stop)

  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    requests,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
    get bytesSent() {
      let sum = closedBytes
      for (const socket of sockets) sum += socket.bytesWritten
      return sum
    },
    use: (script) => void (current = script),
    dropConnections,
    stop,
    start: () => listen(port),
  }
}

const GONE = new Error('the peer has gone')

async function serve(socket: Socket, connection: number, requests: OriginRequest[], script: Script) {
  const wire = createWire(socket, 256 * 1024)
  for (let turn = 0; ; turn++) {
    const bytes = await wire.until('\r\n\r\n')
    if (bytes === undefined) return
    const request = takeRequest(bytes, wire, connection, turn)
    requests.push(request)
    const exchange = createExchange(socket, wire, request)
    await script(request, exchange)
    if (exchange.takenOver || socket.destroyed || socket.writableEnded) return
    await request.body
  }
}

function takeRequest(bytes: Buffer, wire: Wire, connection: number, turn: number): OriginRequest {
  const head = parseHead(bytes)
  const [method, target] = head.startLine.split(' ')
  const header = (name: string) => fieldValue(head.fields, name)
  const request = { ...head, method, target, header, received: 0, connection, turn } as OriginRequest
  const pieces: Buffer[] = []
  const length = Number(header('content-length') ?? 0)
  const chunked = /chunked\s*$/i.test(header('transfer-encoding') ?? '')
  const framing = chunked ? { kind: 'chunked' as const } : { kind: 'length' as const, length }
  request.body = readBody(wire, framing, (piece) => {
    request.received += piece.length
    pieces.push(piece)
  }).then(() => Buffer.concat(pieces))
  return request
}

const PIECE = 64 * 1024

function createExchange(
  socket: Socket,
  wire: Wire,
  request: OriginRequest,
): Exchange & { takenOver: boolean } {
  const gone = new Promise<void>((resolve) => {
    if (socket.destroyed) resolve()
    else socket.once('close', () => resolve())
  })
  const orGone = async (work: Promise<unknown>) => {
    if ((await Promise.race([work, gone.then(() => GONE)])) === GONE) throw GONE
  }

  // In pieces, each waiting for the kernel: bytesSent then tells how far the peer let us come.
  async function write(bytes: string | Buffer): Promise<void> {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    for (let at = 0; at < buffer.length; at += PIECE) {
      if (socket.destroyed || socket.writableEnded) throw GONE
      const piece = buffer.subarray(at, at + PIECE)
      await orGone(new Promise((resolve) => socket.write(piece, resolve)))
    }
  }

  async function drip(bytes: Buffer, size: number, ms: number): Promise<void> {
    for (let at = 0; at < bytes.length; at += size) {
      if (at > 0) await exchange.stall(ms)
      await write(bytes.subarray(at, at + size))
    }
  }

  const exchange = {
    request,
    socket,
    gone,
    takenOver: false,
    write,
    drip,
    head: (response: Response) => write(headText(response)),
    async respond(response: Response) {
      const { status = 200, body = '' } = response
      const fields = Array.isArray(response.fields)
        ? response.fields.slice()
        : Object.entries(response.fields ?? {}).flat()
      const framed = fieldValue(fields, 'content-length') ?? fieldValue(fields, 'transfer-encoding')
      if (framed === undefined && status >= 200 && status !== 204 && status !== 304) {
        fields.push('Content-Length', String(Buffer.byteLength(body)))
      }
      await write(headText({ ...response, fields }))
      if (request.method !== 'HEAD') await write(Buffer.from(body))
    },
    respondFile: (bytes: Buffer, options: FileOptions = {}) => respondFile(exchange, bytes, options),
    async chunk(bytes: string | Buffer = '') {
      const buffer = Buffer.from(bytes as string, 'latin1')
      await write(`${buffer.length.toString(16)}\r\n`)
      await write(buffer)
      await write('\r\n')
    },
    stall: (until: number | Promise<unknown>) =>
      orGone(typeof until === 'number' ? wait(until, undefined, { ref: false }) : until),
    end: () => void socket.end(),
    async reset() {
      await wait(20)
      socket.resetAndDestroy()
    },
    takeOver() {
      exchange.takenOver = true
      return wire
    },
  }
  return exchange
}

function headText({ status = 200, statusText = 'Scripted', fields = [] }: Response): string {
  const list = Array.isArray(fields) ? fields : Object.entries(fields).flat()
  let text = `HTTP/1.1 ${status} ${statusText}\r\n`
  for (let i = 0; i < list.length; i += 2) text += `${list[i]}: ${list[i + 1]}\r\n`
  return `${text}\r\n`
}
