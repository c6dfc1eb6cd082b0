import type { ServerResponse } from 'node:http'

/**
 * Sends the head of a response that has no body byte yet. Not `flushHeaders()`: node writes a head as latin1, but that
 * one as UTF-8, and a byte above 0x7f in a field of the origin would become two.
 */
export function flushHead(res: ServerResponse): void {
  if (!res.destroyed && !res.writableEnded) res.write('', 'latin1')
}
