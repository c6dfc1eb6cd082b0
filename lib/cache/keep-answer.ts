import { answersGet } from '../semantics/methods.ts'
import { policyOf } from '../semantics/policy.ts'
import { storable } from '../semantics/storable.ts'
import type { FieldList } from '../semantics/types.ts'
import { extentOf } from '../upstream/extent.ts'
import type { BodyHandler, Transfer, UpstreamResponse } from '../upstream/origin.ts'
import type { Context, Exchange } from './context.ts'
import { countingHandler, storingFill } from './fills.ts'
import { headOf, relayedFields } from './received.ts'
import type { Resource } from './resource.ts'
import { serveFetched } from './serve-fetched.ts'

/**
 * Stores the answer to a POST that GET would get too (RFC 9110 section 9.3.3), and sends it to its client.
 *
 * @returns undefined for any other answer
 */
export function keepAnswer(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  response: UpstreamResponse,
  transfer: Transfer,
): { body: BodyHandler; served: Promise<unknown> } | undefined {
  const { caching } = context
  const { method, target, fields, origin } = exchange
  const policy = policyOf(response.fields, caching.targets)
  if (!answersGet(method, target, response, policy, origin.url.host, context.keyOf)) return undefined
  const extent = extentOf(response, method, null)
  if (!extent || extent.closeDelimited) return undefined
  if (!storable({ method: 'GET', fields }, response, policy, caching).store) return undefined

  const head = headOf(context, exchange, response, policy, extent.length)
  if (!context.bans.mayKeep(head)) return undefined
  const fill = storingFill(context, resource, head, transfer, extent)
  const letGo = fill.hold()
  const trailers: FieldList = []
  const answer = {
    head,
    result: 'BYPASS' as const,
    status: { hit: false, fwd: 'method' as const, fwdStatus: response.status, stored: true },
    received: relayedFields(response),
    trailers,
  }
  const served = serveFetched(context, resource, exchange, answer, fill, true, letGo).catch(() => false)
  return { body: countingHandler(context, fill, trailers), served }
}
