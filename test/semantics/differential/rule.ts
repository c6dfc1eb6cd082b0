import type { Exchange } from './exchange.ts'

/**
 * A class of exchanges that http-cache-semantics reads otherwise than we do, with what decides for us. It is no filter:
 * it says the same exchange in the words that the rule makes it equal to and that both read alike, and for these both
 * must give one verdict. So a rule that we break still fails the test.
 */
export interface Rule<Case = Exchange> {
  difference: string
  /** RFC and section, or where our own choice is written down. */
  because: string
  /** An exchange of which both say different things because of this rule alone. */
  example: Case
  /** The exchange as the rule reads it; the same object where the rule says nothing of it. */
  reads(exchange: Case): Case
}
