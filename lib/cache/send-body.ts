import type { Following } from '../slices/reader.ts'
import type { Context, Exchange } from './context.ts'
import { cut } from './failures.ts'
import { type Answer, type Selection, sendSelection } from './respond.ts'
import type { ResponseSource } from './source.ts'

/**
 * Sends a body; what fails then can only be told by cutting the connection.
 *
 * @param first lets go of its fill here at the latest: a client that has gone meanwhile never comes to read from it
 */
export async function sendBody(
  context: Context,
  exchange: Exchange,
  answer: Answer,
  selection: Selection,
  source: ResponseSource,
  first?: Following,
): Promise<void> {
  try {
    await sendSelection(exchange, answer, selection, source, first)
  } catch (error) {
    cut(context, exchange, error as Error)
  } finally {
    first?.reader.detach()
  }
}
