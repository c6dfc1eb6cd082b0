import type { ClientResponse } from './context.ts'

const NOTHING = Buffer.alloc(0)

/**
 * Sends the head of a response that has no body byte yet. Not `flushHeaders()`: node writes a head as latin1, but that
 * one as UTF-8, and a byte above 0x7f in a field of the origin would become two.
 */
export function flushHead(res: ClientResponse): void {
  if (!res.destroyed && !res.writableEnded) res.write(NOTHING)
}
