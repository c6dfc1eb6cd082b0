import CachePolicy from 'http-cache-semantics'
import type { FieldList } from '../../../lib/semantics/types.ts'
import { NOW } from '../heads.ts'
import { type Exchange, httpDate, type Message, NOT_STORED, type Verdict } from './exchange.ts'
import { allFields, says } from './message.ts'
import type { Update, Updated } from './update.ts'

let clock = NOW
Object.assign(CachePolicy.prototype, { now: () => clock })

/** What http-cache-semantics does with an exchange, as a shared cache. */
export function theirs(exchange: Exchange): Verdict {
  clock = NOW
  const response = { status: exchange.status, headers: headersOf(exchange.response) }
  const policy = new CachePolicy(requestOf(exchange.request), response, { shared: true })
  const freshFor = Math.max(0, policy.maxAge() - policy.age())
  const { etag, 'last-modified': lastModified } = response.headers
  // It calls storable what may be stored; we look for what is also of use.
  const isOfUse = etag !== undefined || lastModified !== undefined || policy.timeToLive() > 0
  if (!policy.storable() || !isOfUse) return NOT_STORED

  clock = NOW + exchange.later * 1000
  const { response: reused, revalidation } = policy.evaluateRequest(requestOf(exchange.probe))
  const condition = revalidation?.headers ?? {}
  return {
    stored: true,
    use: reused === undefined ? 'ask' : revalidation === undefined ? 'reuse' : 'stale-while-revalidate',
    freshFor,
    age: Math.floor(policy.age()),
    ifNoneMatch: members(condition['if-none-match']),
    ifModifiedSince: httpDate(condition['if-modified-since']?.toString()),
  }
}

/** What http-cache-semantics makes of a 304. */
export function theirUpdate({ response, notModified }: Update): Updated {
  clock = NOW
  const stored = new CachePolicy(requestOf(says([])), { status: 200, headers: headersOf(response) })
  const answer = { status: 304, headers: headersOf(notModified) }
  const { policy, matches } = stored.revalidatedPolicy(requestOf(says([])), answer)
  if (!matches) return null
  const { age: _age, date: _date, 'cache-control': _policy, ...fields } = policy.responseHeaders()
  return { freshFor: Math.max(0, policy.maxAge() - policy.age()), fields }
}

function requestOf(message: Message): CachePolicy.HttpRequest {
  return { method: 'GET', url: '/', headers: headersOf(message) }
}

/** As Node gives them: names in lower case, lines joined. */
function headersOf(message: Message): Record<string, string> {
  const headers: Record<string, string> = {}
  const fields: FieldList = allFields(message)
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i].toLowerCase()
    headers[name] = headers[name] === undefined ? fields[i + 1] : `${headers[name]}, ${fields[i + 1]}`
  }
  return headers
}

function members(list: string | string[] | undefined): string[] {
  const text = list?.toString() ?? ''
  return text === '' ? [] : [...new Set(text.split(/\s*,\s*/))].sort()
}
