import t, { type Test } from 'tap'
import { type Answer, get } from '../helpers/client.ts'
import { type Clock, stopClock } from '../helpers/clock.ts'
import { type Exchange, type OriginRequest, type Script, startOrigin } from '../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../helpers/proxy.ts'
import { startRoute } from './route.ts'

/**
 * A point in time as a field value, in seconds from when the message is sent: `['Expires', date(60)]`.
 * Formats of RFC 9110 section 5.6.7.
 */
export interface DateValue {
  offset: number
  format: 'imf' | 'rfc850' | 'asctime'
}

export const date = (offset: number, format: DateValue['format'] = 'imf'): DateValue => ({ offset, format })

/**
 * Flat list of names and values. Strings may hold `{url}` (the behaviour's own absolute URL), `{path}` (its path) and
 * `{host}` (the proxy's authority). null: the field is not sent, though it is a default (Date).
 */
export type Fields = (string | number | DateValue | null)[]

/** What a message must carry: the value, what it matches, any (true), none (null). Names in any case. */
export type ExpectedFields = Record<string, string | number | RegExp | boolean | null>

/** The origin's answer, if it is asked. */
export interface OriginAnswer {
  /** Default 200. */
  status?: number
  /** `Date: now` is added when there is none. */
  fields?: Fields
  /** Default: a text that no other answer has. */
  body?: string
  /** Seconds that go by until it answers. */
  takes?: number
}

export interface Step {
  /** Seconds that go by first. */
  wait?: number
  /** Default GET. */
  method?: string
  /** Added to the behaviour's path: '?a=b', '/below'. */
  target?: string
  request?: Fields
  /** Of the request. */
  body?: string
  /** Default: 200 without anything about caching. A script of its own where status, fields and body do not say it. */
  origin?: OriginAnswer | Script
  /**
   * Who answered:
   * - `origin`: it was asked, and its body reached the client;
   * - `cache`: it was not asked; the body is that of an earlier step (`bodyOf`);
   * - `validated`: it was asked with a condition, said 304 (with the fields of `origin`), and the stored body was sent;
   * - `proxy`: it was not asked, and the body does not matter (504, 412).
   */
  from: 'origin' | 'cache' | 'validated' | 'proxy'
  /** Default: that of the origin's answer whose body is expected. */
  status?: number
  /** What the client must get. */
  gets?: ExpectedFields
  /** What the (last) request of this step must have carried when it reached the origin. */
  sees?: ExpectedFields
  /** Index of the step whose origin body is expected from the cache; default: the last GET answered by the origin. */
  bodyOf?: number
  /** How often the origin is asked in this step. Default 1 for `origin` and `validated`, else 0; 'any' = does not matter. */
  asked?: number | 'any'
}

export interface Behaviour {
  /** What is done, and the section that says so: 'max-age=0 is not reused (RFC 9111 5.2.2.1)'. */
  name: string
  steps: Step[]
  /** Why it cannot pass yet; it then runs only with TODO=1 in the environment. */
  todo?: string
}

/** The commonest behaviour: what a first response says decides what the second request gets. */
function pair(
  from: Step['from'],
  name: string,
  first: OriginAnswer | Fields,
  second: Partial<Step>,
): Behaviour {
  const origin = Array.isArray(first) ? { fields: first } : first
  return {
    name,
    steps: [
      { from: 'origin', origin },
      { from, ...second },
    ],
  }
}

/** A response like this is used again without asking the origin. */
export const reused = (name: string, first: OriginAnswer | Fields, second: Partial<Step> = {}) =>
  pair('cache', name, first, second)

/** After a response like this the origin is asked for the whole again. */
export const notReused = (name: string, first: OriginAnswer | Fields, second: Partial<Step> = {}) =>
  pair('origin', name, first, second)

/** A response like this is stored, and used again when the origin has said 304. */
export const validated = (name: string, first: OriginAnswer | Fields, second: Partial<Step> = {}) =>
  pair('validated', name, first, second)

const takesTime = ({ steps }: Behaviour) =>
  steps.some(
    ({ wait, origin }) => wait !== undefined || (typeof origin === 'object' && origin.takes !== undefined),
  )

/**
 * Runs all behaviours at once, each under a path of its own, through one proxy (`cacheTtl` 0 unless said); with
 * CONFORM=routes in the environment through the cache before a route of a service. The clock stands still; behaviours
 * that let time go by run one by one.
 */
export function conform(
  name: string,
  behaviours: readonly Behaviour[],
  options: Partial<StartProxyOptions> = {},
): void {
  const timeless = behaviours.filter((behaviour) => !takesTime(behaviour))
  if (timeless.length > 0) run(name, timeless, options, 32)
  const timed = behaviours.filter(takesTime)
  if (timed.length > 0) run(`${name}, as time goes by`, timed, options, 1)
}

function run(
  name: string,
  behaviours: readonly Behaviour[],
  options: Partial<StartProxyOptions>,
  jobs: number,
): void {
  t.test(name, async (t) => {
    const clock = stopClock(t)
    const running = new Map<string, Run>()
    const origin = await startOrigin(t, (request, exchange) => {
      const run = running.get(/^\/b\d+/.exec(request.target)?.[0] ?? '')
      return run ? answer(run, request, exchange) : exchange.respond({ status: 599 })
    })
    const start = process.env.CONFORM === 'routes' ? startRoute : startProxy
    const proxy = await start(t, { upstream: origin.url, cacheTtl: 0, ...options })
    t.jobs = jobs
    for (const [index, behaviour] of behaviours.entries()) {
      const run: Run = {
        clock,
        proxy: proxy.url,
        path: `/b${index}`,
        steps: behaviour.steps,
        at: 0,
        asked: [],
        sent: [],
      }
      running.set(run.path, run)
      const todo = process.env.TODO ? undefined : behaviour.todo
      t.test(behaviour.name, { buffered: true, todo }, (t) => play(t, run))
    }
  })
}

/** A behaviour under way. */
interface Run {
  clock: Clock
  proxy: string
  path: string
  steps: readonly Step[]
  /** Index of the step under way. */
  at: number
  /** Requests that the origin saw, by step. */
  asked: OriginRequest[][]
  /** The last body and status that the origin sent, by step; none after a 304. */
  sent: ({ status: number; body: string } | undefined)[]
}

async function play(t: Test, run: Run): Promise<void> {
  for (const [index, step] of run.steps.entries()) {
    if (step.wait !== undefined) run.clock.pass(step.wait)
    run.at = index
    run.asked[index] = []
    const { method = 'GET', target = '', request = [], body } = step
    const headers = resolve(run, request)
    const got = await get(`${run.proxy}${run.path}${target}`, { method, headers, body })
    check(t, run, index, got)
  }
}

async function answer(run: Run, request: OriginRequest, exchange: Exchange): Promise<void> {
  const { at } = run
  const step = run.steps[at]
  const turn = run.asked[at].push(request)
  if (typeof step.origin === 'function') return step.origin(request, exchange)
  const { fields = [], takes = 0, ...given } = step.origin ?? {}
  run.clock.pass(takes)
  const conditional = request.header('if-none-match') ?? request.header('if-modified-since')
  const { status = 200, body = `answer ${turn} to step ${at} of ${run.path}` } = given
  const list = resolve(
    run,
    fields.some((name) => `${name}`.toLowerCase() === 'date') ? fields : [...fields, 'Date', date(0)],
  )
  if (step.from === 'validated' && conditional !== undefined) {
    return exchange.respond({ status: 304, fields: list })
  }
  if (status === 304) return exchange.respond({ status, fields: list })
  run.sent[at] = { status, body: status === 204 ? '' : body }
  return exchange.respond({ status, fields: list, body: run.sent[at].body })
}

function check(t: Test, run: Run, index: number, got: Answer): void {
  const step = run.steps[index]
  const { from, method = 'GET', bodyOf = from === 'origin' ? index : lastBody(run, index) } = step
  const asked = run.asked[index]
  const expected = run.sent[bodyOf]
  const says = (what: string) => `step ${index}: ${what}`

  const times = step.asked ?? (from === 'origin' || from === 'validated' ? 1 : 0)
  if (times !== 'any') t.equal(asked.length, times, says(`the origin is asked ${times} times`))
  if (from === 'validated') {
    const request = asked.at(-1)
    t.ok(request?.header('if-none-match') ?? request?.header('if-modified-since'), says('with a condition'))
  }
  const originStatus = typeof step.origin === 'function' ? undefined : step.origin?.status
  const status = step.status ?? (from === 'origin' ? originStatus : undefined) ?? expected?.status ?? 200
  t.equal(got.status, status, says('status'))
  t.ok(got.complete, says('the answer is whole'))
  const bodiless = method === 'HEAD' || status === 204 || status === 304
  if (bodiless) t.equal(got.length, 0, says('no body'))
  else if (from !== 'proxy' && expected)
    t.equal(got.body.toString(), expected.body, says(`the body of step ${bodyOf}`))
  // RFC 9111 section 5.1: whatever was stored is sent with its age.
  if (from === 'cache') t.match(got.header('age'), /^\d+$/, says('Age'))
  checkFields(t, run, step.gets, (name) => got.header(name), says('the client gets'))
  checkFields(t, run, step.sees, (name) => asked.at(-1)?.header(name), says('the origin sees'))
}

function lastBody(run: Run, before: number): number {
  for (let at = before - 1; at >= 0; at--) {
    if (run.sent[at] && (run.steps[at].method ?? 'GET') === 'GET') return at
  }
  return -1
}

function checkFields(
  t: Test,
  run: Run,
  expected: ExpectedFields | undefined,
  read: (name: string) => string | undefined,
  message: string,
): void {
  for (const [name, wanted] of Object.entries(expected ?? {})) {
    const value = read(name)
    const text = `${message} ${name}: ${wanted}`
    if (wanted === null || wanted === false) t.equal(value, undefined, text)
    else if (wanted === true) t.type(value, 'string', text)
    else if (wanted instanceof RegExp) t.match(value ?? '', wanted, text)
    else t.equal(value, placed(run, `${wanted}`), text)
  }
}

function resolve(run: Run, fields: Fields): string[] {
  const list: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1]
    if (value === null) continue
    list.push(String(fields[i]), typeof value === 'object' ? dateText(value) : placed(run, `${value}`))
  }
  return list
}

function placed(run: Run, text: string): string {
  return text
    .replaceAll('{url}', run.proxy + run.path)
    .replaceAll('{path}', run.path)
    .replaceAll('{host}', run.proxy.slice('http://'.length))
}

/** RFC 9110 section 5.6.7. */
export function dateText({ offset, format }: DateValue): string {
  const moment = new Date(Date.now() + offset * 1000)
  const [weekday, day, month, year, time] = moment.toUTCString().replace(',', '').split(' ')
  if (format === 'imf') return moment.toUTCString()
  if (format === 'asctime') return `${weekday} ${month} ${day.replace(/^0/, ' ')} ${time} ${year}`
  const long = moment.toLocaleDateString('en', { weekday: 'long', timeZone: 'UTC' })
  return `${long}, ${day}-${month}-${year.slice(2)} ${time} GMT`
}
