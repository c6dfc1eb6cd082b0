import type { Socket } from 'node:net'

/** One HTTP/1 message head as it came: nothing normalised, fields as a flat list of latin1 strings. */
export interface RawHead {
  /** Request line or status line. */
  startLine: string
  fields: string[]
  /** All bytes of the head as latin1, the empty line included. */
  raw: string
}

/** Pull side of a socket. Reads stop while `limit` bytes wait unread, so that a reader's pace reaches the peer. */
export interface Wire {
  /** Bytes through the end of `marker`; undefined when the peer ended first. */
  until(marker: string): Promise<Buffer | undefined>
  /** Between 1 and `max` bytes; undefined after the end. */
  some(max: number): Promise<Buffer | undefined>
  /** Gives bytes back, to be read next. */
  unread(bytes: Buffer): void
  /** How the peer ended: 'fin', or the code of the socket's error; null while it is there. */
  readonly ended: string | null
}

export function createWire(socket: Socket, limit = 64 * 1024): Wire {
  const queue: Buffer[] = []
  let queued = 0
  let ended: string | null = null
  let wake = () => {}
  const end = (how: string) => {
    ended ??= how
    wake()
  }
  socket.on('data', (chunk: Buffer) => {
    queue.push(chunk)
    queued += chunk.length
    if (queued >= limit) socket.pause()
    wake()
  })
  socket.on('end', () => end('fin'))
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  socket.on('close', () => end('closed'))

  async function next(): Promise<Buffer | undefined> {
    while (queue.length === 0 && ended === null) await new Promise<void>((resolve) => (wake = resolve))
    const chunk = queue.shift()
    if (chunk === undefined) return undefined
    queued -= chunk.length
    if (queued < limit) socket.resume()
    return chunk
  }

  function unread(bytes: Buffer): void {
    if (bytes.length === 0) return
    queue.unshift(bytes)
    queued += bytes.length
  }

  async function some(max: number): Promise<Buffer | undefined> {
    const chunk = await next()
    if (chunk === undefined || chunk.length <= max) return chunk
    unread(chunk.subarray(max))
    return chunk.subarray(0, max)
  }

  async function until(marker: string): Promise<Buffer | undefined> {
    let seen = Buffer.alloc(0)
    for (;;) {
      const chunk = await next()
      if (chunk === undefined) {
        unread(seen)
        return undefined
      }
      seen = Buffer.concat([seen, chunk])
      const at = seen.indexOf(marker)
      if (at >= 0) {
        unread(seen.subarray(at + marker.length))
        return seen.subarray(0, at + marker.length)
      }
    }
  }

  return {
    until,
    some,
    unread,
    get ended() {
      return ended
    },
  }
}

export function parseHead(bytes: Buffer): RawHead {
  const raw = bytes.toString('latin1')
  const [startLine, ...lines] = raw.slice(0, -4).split('\r\n')
  const fields = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return { startLine, fields, raw }
}

/** All values of a field joined by ', ', as a recipient may join them; undefined without one. */
export function fieldValue(fields: readonly string[], name: string): string | undefined {
  const values: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i].toLowerCase() === name.toLowerCase()) values.push(fields[i + 1])
  }
  return values.length === 0 ? undefined : values.join(', ')
}

/** How a body ended: 'complete', or 'cut' when the connection ended before the framing said so. */
export type BodyEnd = 'complete' | 'cut'

export type Framing = { kind: 'none' } | { kind: 'length'; length: number } | { kind: 'chunked' | 'close' }

/** Reads one body by its framing, a piece at a time; `onPiece` may wait, and the peer then waits too. */
export async function readBody(
  wire: Wire,
  framing: Framing,
  onPiece: (piece: Buffer) => void | Promise<void>,
  pieceSize = 64 * 1024,
): Promise<{ end: BodyEnd; trailers: string[] }> {
  if (framing.kind === 'none') return { end: 'complete', trailers: [] }
  if (framing.kind === 'length')
    return { end: await readLength(wire, framing.length, onPiece, pieceSize), trailers: [] }
  if (framing.kind === 'chunked') return readChunks(wire, onPiece, pieceSize)
  for (let piece = await wire.some(pieceSize); piece; piece = await wire.some(pieceSize)) await onPiece(piece)
  return { end: wire.ended === 'fin' ? 'complete' : 'cut', trailers: [] }
}

async function readLength(
  wire: Wire,
  length: number,
  onPiece: (piece: Buffer) => void | Promise<void>,
  pieceSize: number,
): Promise<BodyEnd> {
  for (let left = length; left > 0; ) {
    const piece = await wire.some(Math.min(left, pieceSize))
    if (piece === undefined) return 'cut'
    left -= piece.length
    await onPiece(piece)
  }
  return 'complete'
}

async function readChunks(
  wire: Wire,
  onPiece: (piece: Buffer) => void | Promise<void>,
  pieceSize: number,
): Promise<{ end: BodyEnd; trailers: string[] }> {
  const trailers: string[] = []
  for (;;) {
    const line = await wire.until('\r\n')
    if (line === undefined) return { end: 'cut', trailers }
    const size = Number.parseInt(line.toString('latin1'), 16)
    if (Number.isNaN(size)) throw new Error(`not a chunk size: ${JSON.stringify(line.toString('latin1'))}`)
    if (size === 0) break
    if ((await readLength(wire, size, onPiece, pieceSize)) === 'cut') return { end: 'cut', trailers }
    if ((await wire.until('\r\n')) === undefined) return { end: 'cut', trailers }
  }
  for (;;) {
    const line = await wire.until('\r\n')
    if (line === undefined) return { end: 'cut', trailers }
    if (line.length === 2) return { end: 'complete', trailers }
    const colon = line.indexOf(':')
    trailers.push(line.toString('latin1', 0, colon), line.toString('latin1', colon + 1).trim())
  }
}
