import { fieldValue, fieldValues } from '../../../lib/semantics/fields.ts'
import { ageAt } from '../../../lib/semantics/freshness.ts'
import { freshen } from '../../../lib/semantics/head.ts'
import type { FieldList } from '../../../lib/semantics/types.ts'
import { conditionFields, conditionFor, confirmedBy } from '../../../lib/semantics/validation.ts'
import { etagsIn } from '../../../lib/semantics/validators.ts'
import { NOW, OPTIONS } from '../heads.ts'
import { storedHead, useOf } from '../verdict.ts'
import { type Exchange, httpDate, type Message, NOT_STORED, type Verdict } from './exchange.ts'
import { allFields } from './message.ts'
import type { Update, Updated } from './update.ts'

/** What slicestream does with an exchange. */
export function ours(exchange: Exchange): Verdict {
  const now = NOW + exchange.later * 1000
  const probe = allFields(exchange.probe)
  const head = storedHead(allFields(exchange.request), {
    status: exchange.status,
    fields: allFields(exchange.response),
    requestTime: NOW,
    responseTime: NOW,
    order: 0,
  })
  if (head === null) return NOT_STORED
  const use = useOf(head, probe, now)
  const validates = use === 'revalidate' || use === 'stale-while-revalidate'
  const condition: FieldList = validates ? conditionFields(conditionFor(head, [head], probe)) : []
  return {
    stored: true,
    use: use === 'fresh' || use === 'stale' ? 'reuse' : use === 'stale-while-revalidate' ? use : 'ask',
    freshFor: head.noCache ? 0 : Math.max(0, (head.freshUntil - NOW) / 1000),
    age: ageAt(head, now),
    ifNoneMatch: etagsIn(fieldValue(condition, 'if-none-match') ?? '').sort(),
    ifModifiedSince: httpDate(fieldValue(condition, 'if-modified-since')),
  }
}

/** What slicestream makes of a 304. */
export function ourUpdate({ response, notModified }: Update): Updated {
  const received = (message: Message, status: number) => ({
    status,
    fields: allFields(message),
    requestTime: NOW,
    responseTime: NOW,
    order: 0,
  })
  const stored = storedHead([], received(response, 200))
  if (stored === null) throw new Error('not stored, so that there is nothing to update')
  const answer = received(notModified, 304)
  const confirmed = confirmedBy(conditionFor(stored, [stored], []), answer)
  if (confirmed === undefined || !('head' in confirmed)) return null
  const { head } = freshen(confirmed.head, answer, { fields: [] }, OPTIONS)
  const fields: Record<string, string> = {}
  for (let i = 0; i < head.fields.length; i += 2) {
    const name = head.fields[i].toLowerCase()
    if (name === 'date' || name === 'cache-control') continue
    if (name in fields) throw new Error(`stored twice: ${name}`)
    fields[name] = head.fields[i + 1]
  }
  if (fieldValues(head.fields, 'date').length !== 1) throw new Error('one Date is stored')
  return { freshFor: head.noCache ? 0 : Math.max(0, (head.freshUntil - NOW) / 1000), fields }
}
