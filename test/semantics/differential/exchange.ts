import type { FieldList } from '../../../lib/semantics/types.ts'
import { dateAt, NOW } from '../heads.ts'

/** A message as the differential tests write it: its Cache-Control is kept in members, so that no test has to parse it. */
export interface Message {
  /** Members of Cache-Control as they are sent; empty: no such field. */
  cacheControl: string[]
  fields: FieldList
}

/** A response that comes at NOW, at once, to a GET, and a later GET of the same target. */
export interface Exchange {
  request: Message
  status: number
  response: Message
  /** The later request, and how many seconds later it comes. */
  probe: Message
  later: number
}

/** What a cache does with an exchange. Seconds; null where nothing is stored. */
export interface Verdict {
  /** Whether what is kept is of any use: it is fresh or may be served stale for some time, or it can be validated. */
  stored: boolean
  /** `ask`: the origin comes first, with or without a condition. */
  use: 'ask' | 'stale-while-revalidate' | 'reuse'
  /** How long it is fresh when it arrives; 0 for stale. */
  freshFor: number | null
  /** Age with which the probe could be answered. */
  age: number | null
  /** Of the condition for the probe, when the origin has to be asked: entity-tags, sorted; date in seconds from NOW. */
  ifNoneMatch: string[]
  ifModifiedSince: number | null
}

/** Field values that are meant as dates, and in seconds from NOW what HTTP-date they are; null: none. */
export const DATES: ReadonlyMap<string, number | null> = new Map<string, number | null>([
  ...[-8640000, -86400, -100, -10, 0, 50, 100, 86400].map((at): [string, number] => [dateAt(at), at]),
  [rfc850(100), 100],
  [rfc850(-100), -100],
  [asctime(100), 100],
  [asctime(-100), -100],
  [dateAt(100).toLowerCase(), 100],
  ['', null],
  ['0', null],
  ['-1', null],
  ['never', null],
  [dateAt(100).replace('GMT', 'UTC'), null],
  [dateAt(100).replace('GMT', '+0000'), null],
  [dateAt(100).replace(' GMT', ''), null],
  [dateAt(100).replace(',', ''), null],
  [dateAt(100).replaceAll(' ', '  '), null],
  [new Date(NOW + 100_000).toISOString(), null],
  [String(NOW / 1000 + 100), null],
])

/** What an Age field says in seconds (RFC 9111 section 5.1): the first member, and nothing if that is no number. */
export const AGES: ReadonlyMap<string, number> = new Map([
  ['0', 0],
  ['5', 5],
  ['60', 60],
  ['007', 7],
  ['99999999999', 2 ** 31],
  ['30, 5', 30],
  ['', 0],
  ['old', 0],
  ['-5', 0],
  ['7.5', 0],
  ['"5"', 0],
  ['5s', 0],
])

/** What an HTTP-date of {@link DATES} says, in seconds from NOW; null for none (RFC 9110 section 5.6.7). */
export function httpDate(text: string | undefined): number | null {
  if (text === undefined) return null
  const at = DATES.get(text)
  if (at === undefined) throw new Error(`not in the list of dates: ${text}`)
  return at
}

function rfc850(seconds: number): string {
  const at = new Date(NOW + seconds * 1000)
  const day = at.toLocaleDateString('en-US', { weekday: 'long', timeZone: 'UTC' })
  const [, date, month, year, time] = at.toUTCString().split(' ')
  return `${day}, ${date}-${month}-${year.slice(2)} ${time} GMT`
}

function asctime(seconds: number): string {
  const [day, date, month, year, time] = new Date(NOW + seconds * 1000).toUTCString().split(' ')
  return `${day.slice(0, 3)} ${month} ${date.replace(/^0/, ' ')} ${time} ${year}`
}

export const NOT_STORED: Verdict = {
  stored: false,
  use: 'ask',
  freshFor: null,
  age: null,
  ifNoneMatch: [],
  ifModifiedSince: null,
}
