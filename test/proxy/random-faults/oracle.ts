import type { Answer } from '../../helpers/client.ts'
import { faultOf } from '../ranges/expected.ts'
import type { Plan } from './client.ts'
import { type Representation, type Resource, representation } from './resources.ts'

/** When a request began, and what had been purged by then. */
export interface Beginning {
  at: number
  purgedAt: number
}

export function beginning(resource: Resource): Beginning {
  return { at: performance.now(), purgedAt: resource.purgedAt }
}

/** Freshness counts from when the proxy saw a response, in milliseconds at most so long after the origin made it. */
const ON_ITS_WAY = 500

/**
 * What is wrong with an answer that ended cleanly; undefined when nothing is. It has to be, down to the last byte, what
 * was asked for of one version that was current at some time since the request began, or before it as long as the origin
 * had granted freshness and nobody had purged it.
 */
export function faultIn(answer: Answer, plan: Plan, began: Beginning): string | undefined {
  const { method, body } = plan.options
  if (answer.framing === 'close') return 'a body that only its connection delimits'
  if (answer.status >= 500) return undefined // whoever knows that there was no trouble looks at the status
  if (method === 'POST') return answer.body.equals(Buffer.from(body!)) ? undefined : 'not what was posted'
  const stale = answer.header('x-cache') === 'STALE'
  if (stale && plan.resource.mustRevalidate) return 'stale against must-revalidate'
  const candidates = servable(plan, began, stale)
  let fault: string | undefined
  for (const candidate of candidates) {
    fault = faultAgainst(candidate, answer, plan)
    if (fault === undefined) return undefined
  }
  return `${fault}, compared with the newest of ${candidates.length} versions that may be served`
}

/** Versions that may be served, the newest last. A stale answer stands in for a failing origin: it may be of any age. */
function servable({ resource, options, noCache }: Plan, began: Beginning, stale: boolean): Representation[] {
  const { maxAge, varies, versions } = resource
  const variant = varies ? options.headers['X-Variant'] : ''
  let since = began.at
  if (stale) since = 0
  else if (!noCache && maxAge !== null) since -= maxAge * 1000 + ON_ITS_WAY
  since = Math.max(since, began.purgedAt)
  return versions.filter(({ until }) => until >= since).map((each) => representation(resource, each, variant))
}

function faultAgainst({ bytes, etag, lastModified }: Representation, answer: Answer, plan: Plan) {
  if (answer.status === 200 || answer.status === 206) {
    if ((answer.header('etag') ?? null) !== etag) return 'another ETag'
    if ((answer.header('last-modified') ?? null) !== lastModified) return 'another Last-Modified'
  }
  if (plan.options.method !== 'HEAD') return faultOf(answer, bytes, plan.ranges)
  if (answer.status !== 200) return `status ${answer.status}`
  const length = answer.header('content-length')
  return length === undefined || Number(length) === bytes.length ? undefined : 'another Content-Length'
}
