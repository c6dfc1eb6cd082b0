import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { fieldValue } from '../semantics/fields.ts'
import { type Finished, noteReceived, receivedSince } from './finished.ts'
import { requestIdOf } from './identity.ts'
import { clientAddress, type TrustCheck } from './trust.ts'

/** What is told of a request for another protocol while it is answered. */
export interface UpgradeNotes {
  readonly requestId: string
  /** The answer's head goes to the client. @param failure why it is not the origin's */
  answered(status: number, failure?: string): void
}

/** Has the access log told when the connection closes; its bytes are those of both protocols. */
export function noteUpgrade(
  req: IncomingMessage,
  socket: Socket,
  trusted: TrustCheck,
  onFinished: ((finished: Finished) => void) | undefined,
): UpgradeNotes {
  const fields = req.rawHeaders
  const requestId = requestIdOf({ requestId: null, fields })
  if (!onFinished) return { requestId, answered() {} }

  const startedAt = performance.now()
  const bytesBefore = socket.bytesWritten
  noteReceived(socket)
  let answer: { status: number; at: number; failure: string | null } | undefined
  // Asked for once: of a closed connection the system tells no address.
  const address = clientAddress(socket.remoteAddress, fields, trusted)
  socket.once('close', () => {
    const byOrigin = answer !== undefined && answer.failure === null
    const ttfb = answer === undefined ? -1 : answer.at - startedAt
    onFinished({
      req,
      socket,
      clientAddress: address,
      authority: fieldValue(fields, 'host') ?? '',
      status: answer?.status ?? 0,
      result: 'BYPASS',
      tier: null,
      shownKey: undefined,
      requestId,
      ttfb,
      duration: performance.now() - startedAt,
      originTime: byOrigin ? ttfb : null,
      originStatus: byOrigin ? answer!.status : null,
      bytes: socket.bytesWritten - bytesBefore,
      requestBytes: receivedSince(socket),
      aborted: answer === undefined,
      failure: answer?.failure ?? null,
    })
  })
  return {
    requestId,
    answered(status, failure) {
      answer = { status, at: performance.now(), failure: failure ?? null }
    },
  }
}
