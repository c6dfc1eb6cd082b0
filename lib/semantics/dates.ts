import { remembered } from './remembered.ts'

/**
 * HTTP-date (RFC 9110 section 5.6.7). Each of the three formats is matched whole; what differs by a character
 * is no date. Letters match in any case and no zone but GMT counts, as RFC 9111 section 4.2 asks of a cache.
 */

const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const LONG_DAY = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)'
const MONTH = '(?<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)'

const IMF_FIXDATE = new RegExp(`^${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`, 'i')
const RFC_850 = new RegExp(`^${LONG_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`, 'i')
const ASCTIME = new RegExp(`^${DAY} ${MONTH} (?<day>\\d\\d| \\d) ${TIME} (?<year>\\d{4})$`, 'i')

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/**
 * Milliseconds since the epoch of an HTTP-date, undefined when it is none (or no day of the calendar).
 * @param now needed only to place the two-digit years of the RFC 850 format
 */
export function parseHttpDate(value: string, now?: number): number | undefined {
  return value === '' ? undefined : (readFixdate(value) ?? readObsolete(value, now))
}

/** Remembered: all answers of a second have one Date. */
const readFixdate = remembered((value: string) => timeIn(IMF_FIXDATE.exec(value)?.groups, 0))

function readObsolete(value: string, now = Date.now()): number | undefined {
  return timeIn((RFC_850.exec(value) ?? ASCTIME.exec(value))?.groups, now)
}

function timeIn(groups: Record<string, string> | undefined, now: number): number | undefined {
  if (groups === undefined) return undefined
  const month = MONTHS.indexOf(groups.month.toLowerCase())
  const day = Number(groups.day)
  const hour = Number(groups.hour)
  const minute = Number(groups.minute)
  const second = Number(groups.second)
  if (hour > 23 || minute > 59 || second > 60) return undefined // 60: a leap second
  const at = (year: number): number | undefined => timeOf(year, month, day, hour, minute, second)
  return groups.year.length === 4 ? at(Number(groups.year)) : inNearestCentury(Number(groups.year), at, now)
}

/** IMF-fixdate, the only format to be generated. @param ms since the epoch, years 0 to 9999 */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString()
}

function timeOf(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number | undefined {
  const date = new Date(0)
  date.setUTCFullYear(year, month, day) // Date.UTC would take year 94 for 1994
  if (date.getUTCMonth() !== month) return undefined // 30 February
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000
}

/** What seems to be more than 50 years ahead was the last year that ended in the same two digits. */
function inNearestCentury(
  twoDigits: number,
  at: (year: number) => number | undefined,
  now: number,
): number | undefined {
  const thisYear = new Date(now).getUTCFullYear()
  const limit = new Date(now).setUTCFullYear(thisYear + 50)
  let year = thisYear - (thisYear % 100) + 100 + twoDigits
  while ((at(year) ?? Date.UTC(year, 0)) > limit) year -= 100
  return at(year)
}
