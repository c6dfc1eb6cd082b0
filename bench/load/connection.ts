import { connect } from 'node:net'

/** What became of one request. */
export interface Reply {
  /** When its first byte was seen (performance.now); NaN when there was none. */
  firstByte: number
  status: number
  /** Bytes of its body. */
  length: number
  /** Status line and fields. */
  head: string
}

/** A keep-alive connection that reads as little of a response as it takes to know where it ends: its Content-Length. */
export interface LeanConnection {
  /** One request at a time. */
  send(request: string, done: (reply: Reply) => void): void
  readonly isOpen: boolean
  close(): void
}

/** Milliseconds without a byte after which a connection is given up; more than an idle one has to wait for its next request. */
const SILENCE = 30_000
// One for all: a callback has looked at its bytes before the next read is made.
const BUFFER = Buffer.allocUnsafe(256 * 1024)
const NOTHING = Buffer.alloc(0)

export async function openConnection(url: URL): Promise<LeanConnection> {
  let done: ((reply: Reply) => void) | null = null
  let reply: Reply
  /** Of a head that did not come in one piece. */
  let begun = NOTHING
  let left = 0

  const socket = connect({
    host: url.hostname,
    port: Number(url.port),
    noDelay: true,
    onread: {
      buffer: BUFFER,
      callback: (count) => {
        take(BUFFER.subarray(0, count))
        return true
      },
    },
  })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.removeAllListeners('error')
  socket.on('error', () => {}).once('close', fail)
  // Half an answer shall fail the bench, not hold it up.
  socket.setTimeout(SILENCE, () => socket.destroy())

  function take(bytes: Buffer): void {
    if (done === null) return void socket.destroy()
    if (Number.isNaN(reply.firstByte)) reply.firstByte = performance.now()
    if (left === 0) {
      const head = begun.length === 0 ? bytes : Buffer.concat([begun, bytes])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) {
        begun = Buffer.from(head)
        return
      }
      begun = NOTHING
      const text = head.toString('latin1', 0, end)
      reply.head = text
      reply.status = Number(text.slice(9, 12))
      const length = /\r\ncontent-length: *(\d+)/i.exec(text)
      if (length === null) return void socket.destroy()
      reply.length = Number(length[1])
      left = reply.length - (head.length - end - 4)
    } else left -= bytes.length
    if (left < 0) return void socket.destroy()
    if (left === 0) finish()
  }

  function finish(): void {
    const [tell, told] = [done!, reply]
    done = null
    tell(told)
  }

  function fail(): void {
    if (done === null) return
    reply.status = 0
    finish()
  }

  return {
    send(request, whenDone) {
      done = whenDone
      reply = { firstByte: Number.NaN, status: 0, length: 0, head: '' }
      left = 0
      if (socket.destroyed) return fail()
      socket.write(request, 'latin1')
    },
    get isOpen() {
      return !socket.destroyed
    },
    close: () => void socket.destroy(),
  }
}
