import { type IncomingMessage, maxHeaderSize, type Server } from 'node:http'
import { Socket } from 'node:net'
import { LaneResponse, type ResponsePlace } from './lane-response.ts'
import { readShared, type SharedMemory, sharedMemory } from './shared-read.ts'

/** A response is under way. */
export const TAKEN = 'taken'

/** A whole response, to be sent in this order. */
export interface ReadyResponse {
  first: Buffer
  rest: readonly Buffer[]
  /** Bytes of the body. */
  length: number
}

export interface ExpressLaneOptions {
  server: Server
  /**
   * Answers the bytes of a request at once, opens the response to it, or leaves them to node:http. They begin where a
   * request begins; whether they are just one, and no other, is for this to judge.
   *
   * @param length bytes of the request, at the beginning of the memory
   * @param longest bytes that the body of what is answered at once may have: clients that take nothing shall not hold much memory
   * @param open gives a response that takes its time; called, it must be answered; null = not on this connection
   */
  answer(
    memory: SharedMemory,
    length: number,
    socket: Socket,
    longest: number,
    open: () => LaneResponse | null,
  ): ReadyResponse | typeof TAKEN | null
  /** Responses that clients have not taken yet: one more (1), one less (-1), or one whose connection ended first (-1, cut). */
  waiting(change: 1 | -1, cut: boolean, socket: Socket): void
}

/**
 * Answers requests on the connections that it follows before node:http has seen a byte of them: its parser, request and
 * response objects cost twice what the system does. Whatever is not answered goes the usual way, byte for byte.
 *
 * Only on connections that node:http has answered before: its timers for them have begun, and it is known to be between two
 * requests.
 */
export interface ExpressLane {
  follow(socket: Socket): void
  /** From now on everything goes the usual way, whose responses say that they are the last. */
  stop(): void
}

/**
 * What node:http hangs on its sockets. Not documented; where any of it is missing, connections are not followed.
 */
interface HttpSocket extends Omit<Socket, 'server'> {
  parser?: Parser | null
  /** The response whose turn it is. */
  _httpMessage?: object | null
  encrypted?: boolean
  server: Server | null
}

interface Parser {
  /** The last request whose head is whole. */
  incoming?: IncomingMessage | null
}

/** Requests that are longer are rare, and dear in any case. */
const MAX_REQUEST = 8 * 1024
const G = 0x47
/** While so many bytes wait for clients, only short bodies are added to them: long ones can be sent at the pace of the client. */
const MAX_QUEUED = 32 * 1024 * 1024
const SHORT = 128 * 1024
const NOTHING = Buffer.alloc(0)

export function createExpressLane({ server, answer, waiting }: ExpressLaneOptions): ExpressLane {
  const followed = new WeakSet<Socket>()
  let stopped = false
  let queuedBytes = 0

  function follow(socket: HttpSocket): void {
    if (stopped || followed.has(socket) || socket.server !== server) return
    const { parser } = socket
    const listeners = socket.listeners('data') as ((chunk: Buffer) => void)[]
    // A stream of another kind has no timeouts to be set.
    const isPlainSocket = socket instanceof Socket && !socket.encrypted
    if (isLimited(server) || !isPlainSocket || !parser || listeners.length !== 1) return
    const [toNode] = listeners
    // What it has of the chunk that brought the request by which we came here is unknown.
    let betweenRequests = false
    let keepAlive = server.keepAliveTimeout
    let queued: QueuedResponse | null = null
    let timeout = 0
    let response: LaneResponse | null = null
    /** Requests wait for the response under way. */
    let isHeldBack = false
    const place: ResponsePlace = {
      socket,
      keepAlive: () => server.keepAliveTimeout,
      ended(last) {
        response = socket._httpMessage = null
        if (last) socket.destroySoon()
        else if (isHeldBack) {
          isHeldBack = false
          socket.resume()
        }
      },
    }
    /** The chunk that the stream brings was not for us when it came. */
    let isLookedAt = false

    /** The bytes are in the shared memory. */
    function onRead(length: number): boolean {
      // What waits in the stream comes first.
      if (socket.readableLength === 0 && socket.readableFlowing && answersNow(length)) return true
      isLookedAt = true
      const takesMore = socket.push(Buffer.from(sharedMemory.bytes.subarray(0, length)))
      isLookedAt = false
      return takesMore
    }

    function onData(chunk: Buffer): void {
      if (!isLookedAt && chunk.length <= MAX_REQUEST) {
        chunk.copy(sharedMemory.bytes)
        if (answersNow(chunk.length)) return
      }
      if (queued !== null || response !== null) {
        holdBack(chunk)
        return
      }
      toNode(chunk)
      keepAlive = server.keepAliveTimeout
      // A head that is not whole does not end with an empty line, and a body that is not whole is not complete.
      betweenRequests = endsWithEmptyLine(chunk) && socket.parser?.incoming?.complete === true
    }

    /** Another time for idle connections begins with a response of node:http. And after its last one nothing is answered. */
    function isSettled(): boolean {
      return !stopped && server.keepAliveTimeout === keepAlive && !socket.writableEnded
    }

    /** Whoever lets the connection flow: node:http would never answer what comes before the response has gone. */
    function holdBack(chunk: Buffer): void {
      isHeldBack = true
      socket.pause()
      socket.unshift(chunk)
    }

    function answersNow(length: number): boolean {
      if (length > MAX_REQUEST || sharedMemory.bytes[0] !== G) return false
      if (!betweenRequests || socket._httpMessage || !isSettled()) return false
      const longest = queuedBytes > MAX_QUEUED ? SHORT : Number.POSITIVE_INFINITY
      const ready = answer(sharedMemory, length, socket, longest, open)
      if (ready === null) return false
      if (ready !== TAKEN) send(ready)
      return true
    }

    function open(): LaneResponse | null {
      // Node's clock for a connection that stands still is off then, and that of an idle one is answered by the response.
      if (server.timeout > 0) return null
      response = socket._httpMessage = new LaneResponse(place)
      return response
    }

    function send({ first, rest, length }: ReadyResponse): void {
      if (rest.length === 0) socket.write(first)
      else {
        socket.cork()
        socket.write(first)
        for (const bytes of rest) socket.write(bytes)
        socket.uncork()
      }
      if (socket.writableLength > 0) waitForClient(length)
    }

    /** Until the client has taken it, this is a response like any other: for timeouts, for closing, and for what comes next. */
    function waitForClient(length: number): void {
      socket._httpMessage = queued = new QueuedResponse(length)
      queuedBytes += length
      timeout = socket.timeout ?? 0
      socket.setTimeout(server.timeout)
      socket.pause()
      // A callback for each response would cost a turn of the tick queue, and nearly none has to wait.
      socket.write(NOTHING, onTaken)
      waiting(1, false, socket)
    }

    function onTaken(error?: Error | null): void {
      if (queued === null) return
      // A write that failed is called back before the connection is destroyed for it.
      const cut = socket.destroyed || error instanceof Error
      queuedBytes -= queued.length
      queued = socket._httpMessage = null
      waiting(-1, cut, socket)
      isHeldBack = false
      if (cut) return
      socket.setTimeout(timeout)
      socket.resume()
    }

    function onClose(): void {
      // Not every write that a closed connection leaves behind is called back.
      onTaken()
      response?.closed()
    }

    followed.add(socket)
    socket.removeListener('data', toNode)
    // Found by this name, as once() has it, it goes when node:http takes its own off: what follows an upgrade is no HTTP/1.1.
    socket.on('data', Object.assign(onData, { listener: toNode }))
    socket.on('drain', () => response?.drained())
    socket.once('close', onClose)
    // Not from within a read of node's parser.
    setImmediate(() => socket.parser && readShared(socket, onRead))
  }

  return {
    follow,
    stop: () => void (stopped = true),
  }
}

/** Whether node:http counts the requests of a connection, or takes less of a head than we do. */
function isLimited(server: Server): boolean {
  return (
    (server.maxRequestsPerSocket ?? 0) > 0 ||
    (server.maxHeadersCount ?? 0) > 0 ||
    ((server as { maxHeaderSize?: number }).maxHeaderSize || maxHeaderSize) < MAX_REQUEST
  )
}

function endsWithEmptyLine(chunk: Buffer): boolean {
  const end = chunk.length
  return (
    chunk[end - 1] === 0x0a && chunk[end - 2] === 0x0d && chunk[end - 3] === 0x0a && chunk[end - 4] === 0x0d
  )
}

/** In the place of a ServerResponse, as far as node:http and we ourselves look at those of a connection. */
class QueuedResponse {
  readonly finished = false
  readonly headersSent = true
  readonly _headerSent = true
  /** Bytes. */
  readonly length: number

  constructor(length: number) {
    this.length = length
  }

  emit(): boolean {
    return false
  }
}
