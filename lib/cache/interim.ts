import { endToEnd, without } from '../semantics/fields.ts'
import type { FieldList } from '../semantics/types.ts'
import type { Exchange } from './context.ts'

/** An interim response has no content and no length (RFC 9110 section 8.6). */
const NO_CONTENT: ReadonlySet<string> = new Set(['content-length'])

/**
 * Passes an interim response on to the client whose request brought it (RFC 9110 section 15.2): HTTP/1.0 has none, and
 * 100 was answered by the server already. Interim responses are never stored.
 */
export function relayInterim({ req, res, sink }: Exchange, status: number, fields: FieldList): void {
  const known = status > 101 && status < 200
  if (!known || req.httpVersionMinor === 0 || res.headersSent || sink.gone) return
  // Of a pipelined request whose turn has not come Node would write it behind the head of the answer. And nothing holds an
  // origin back that sends many: what the client does not take is left out.
  if (!res.socket || res.socket.writableNeedDrain) return
  const passed = without(endToEnd(fields), NO_CONTENT)
  try {
    // Node before 26 knows these two only.
    if (res.writeInformation) res.writeInformation(status, passed)
    else if (status === 102) res.writeProcessing?.()
    else if (status === 103) res.writeEarlyHints?.(hints(passed))
  } catch {
    // What Node refuses to write is left out: a hint must not cost the answer.
  }
}

function hints(fields: FieldList): Record<string, string | string[]> {
  const hints: Record<string, string[]> = {}
  for (let i = 0; i < fields.length; i += 2) (hints[fields[i].toLowerCase()] ??= []).push(fields[i + 1])
  return hints
}
