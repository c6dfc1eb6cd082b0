import type { Exchange } from './exchange.ts'
import type { Rule } from './rule.ts'
import { CONDITIONS } from './rules/conditions.ts'
import { DIRECTIVES } from './rules/directives.ts'
import { REUSE } from './rules/reuse.ts'
import { STORING } from './rules/storing.ts'
import { TIMES } from './rules/times.ts'

/** Their order counts: each may rely on what those before it have made plain. */
export const RULES: readonly Rule[] = [...DIRECTIVES, ...TIMES, ...STORING, ...REUSE, ...CONDITIONS]

/** The exchange in the words of all rules, or of all but one. */
export function reading(exchange: Exchange, left?: Rule): Exchange {
  return RULES.reduce((read, rule) => (rule === left ? read : rule.reads(read)), exchange)
}
