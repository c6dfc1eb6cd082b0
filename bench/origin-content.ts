import { bytesOf } from '../test/helpers/bytes.ts'

export const PIECE_LENGTH = 64 * 1024
const PIECE = bytesOf(1, PIECE_LENGTH)

/** The body of every object of this length: the same 64 KiB again and again. */
export function contentOf(length: number): Buffer {
  const body = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at += PIECE.length) PIECE.copy(body, at)
  return body
}
