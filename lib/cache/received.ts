import { endToEndWithout } from '../semantics/fields.ts'
import { createHead } from '../semantics/head.ts'
import type { Policy } from '../semantics/policy.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import type { UpstreamResponse } from '../upstream/origin.ts'
import type { Context, Exchange } from './context.ts'

/** Response fields that depend on what part of the representation the client gets. */
const WRITTEN_ANEW: ReadonlySet<string> = new Set(['content-length', 'x-cache'])
const WRITTEN_ANEW_OF_PART: ReadonlySet<string> = new Set([
  ...WRITTEN_ANEW,
  'content-range',
  'content-digest',
  'content-md5',
])

const relayed = endToEndWithout(WRITTEN_ANEW)
const relayedOfPart = endToEndWithout(WRITTEN_ANEW_OF_PART)

/** The fields of an answer for the client that asked, private ones too. */
export function relayedFields({ status, fields }: UpstreamResponse): FieldList {
  return status === 206 ? relayedOfPart(fields) : relayed(fields)
}

/** The head of an answer, under a generation of its own. @param length of the representation in bytes, null = unknown */
export function headOf(
  { caching, sliceSize, nextGeneration }: Context,
  exchange: Exchange,
  response: UpstreamResponse,
  policy: Policy,
  length: number | null,
): Head {
  return createHead({
    key: exchange.key,
    generation: nextGeneration(),
    sliceSize,
    request: { fields: exchange.forwarded() },
    response,
    policy,
    length,
    options: caching,
  })
}
