import { type Decision, decide } from '../../lib/semantics/decide.ts'
import type { CachingOptions, ReceivedResponse } from '../../lib/semantics/freshness.ts'
import { createHead } from '../../lib/semantics/head.ts'
import { policyOf } from '../../lib/semantics/policy.ts'
import { storable } from '../../lib/semantics/storable.ts'
import type { FieldList, Head } from '../../lib/semantics/types.ts'
import { selectHead } from '../../lib/semantics/vary.ts'
import { OPTIONS } from './heads.ts'

/** What may be done for a request with what is stored. `fetch`: nothing that helps. */
export type Use = Decision | 'fetch'

/** The head of the response to a GET with these fields, 1000 bytes long; null when it is not stored. */
export function storedHead(
  request: FieldList,
  response: ReceivedResponse,
  options: CachingOptions = OPTIONS,
): Head | null {
  const policy = policyOf(response.fields, options.targets)
  if (!storable({ method: 'GET', fields: request }, response, policy, options).store) return null
  return createHead({
    key: 'k',
    generation: 1,
    sliceSize: 65536,
    request: { fields: request },
    response,
    policy,
    length: 1000,
    options,
  })
}

export function useOf(head: Head | null, request: FieldList, now: number): Use {
  const selected = head === null ? undefined : selectHead([head], request)
  return selected === undefined ? 'fetch' : decide(selected, request, now)
}
