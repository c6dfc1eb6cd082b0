import { inspect, isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { Exchange, Verdict } from './differential/exchange.ts'
import { exchanges, updates } from './differential/exchanges.ts'
import { given, says } from './differential/message.ts'
import { ours, ourUpdate } from './differential/ours.ts'
import type { Rule } from './differential/rule.ts'
import { RULES, reading } from './differential/rules.ts'
import { theirs, theirUpdate } from './differential/theirs.ts'
import { UPDATE_RULES, type Update } from './differential/update.ts'
import { dateAt } from './heads.ts'

/** Our verdicts beside those of http-cache-semantics. Where both differ a rule says why, see differential/rule.ts. */

t.test('plain exchanges: both say the same, and what is expected', async (t) => {
  const rows: [string, Exchange, Partial<Verdict>][] = [
    ['fresh', given({ response: says(['max-age=60']), later: 30 }), { use: 'reuse', freshFor: 60, age: 30 }],
    ['stale', given({ response: says(['max-age=60']), later: 60 }), { use: 'ask', freshFor: 60 }],
    [
      's-maxage before max-age',
      given({ response: says(['s-maxage=60', 'max-age=5']), later: 30 }),
      { use: 'reuse' },
    ],
    [
      'max-age before Expires',
      given({ response: says(['max-age=60'], 'Expires', dateAt(5)) }),
      { freshFor: 60 },
    ],
    ['Expires', given({ response: says([], 'Expires', dateAt(60)) }), { freshFor: 60 }],
    ['Age', given({ response: says(['max-age=60'], 'Age', '50'), later: 5 }), { freshFor: 10, age: 55 }],
    [
      'a tenth of the time since',
      given({ response: says([], 'Last-Modified', dateAt(-100)) }),
      { freshFor: 10 },
    ],
    ['nothing said', given({}), { stored: false }],
    ['no-store', given({ response: says(['max-age=60', 'no-store']) }), { stored: false }],
    ['private', given({ response: says(['max-age=60', 'private']) }), { stored: false }],
    [
      'no-store in the request',
      given({ request: says(['no-store']), response: says(['max-age=60']) }),
      { stored: false },
    ],
    [
      'Authorization',
      given({ request: says([], 'Authorization', 'Basic eDp5'), response: says(['max-age=60']) }),
      { stored: false },
    ],
    [
      'Authorization and public',
      given({ request: says([], 'Authorization', 'Basic eDp5'), response: says(['max-age=60', 'public']) }),
      { stored: true, use: 'reuse' },
    ],
    ['a status that states nothing', given({ status: 302 }), { stored: false }],
    [
      'no-cache',
      given({ response: says(['no-cache'], 'ETag', '"a"') }),
      { use: 'ask', ifNoneMatch: ['"a"'] },
    ],
    [
      'no-cache in the later request',
      given({
        response: says(['max-age=60'], 'ETag', '"a"'),
        probe: says(['no-cache'], 'If-None-Match', '"b"'),
      }),
      { use: 'ask', ifNoneMatch: ['"a"', '"b"'] },
    ],
    [
      'Last-Modified',
      given({ response: says([], 'Last-Modified', dateAt(-100)), later: 90 }),
      { use: 'ask', ifModifiedSince: -100 },
    ],
    [
      'max-age of the client',
      given({ response: says(['max-age=60']), probe: says(['max-age=5']), later: 6 }),
      { use: 'ask' },
    ],
    [
      'min-fresh',
      given({ response: says(['max-age=60']), probe: says(['min-fresh=50']), later: 11 }),
      { use: 'ask' },
    ],
    [
      'max-stale',
      given({ response: says(['max-age=60']), probe: says(['max-stale=50']), later: 90 }),
      { use: 'reuse' },
    ],
    [
      'stale-while-revalidate',
      given({ response: says(['max-age=5', 'stale-while-revalidate=60'], 'ETag', '"a"'), later: 30 }),
      { use: 'stale-while-revalidate', ifNoneMatch: ['"a"'] },
    ],
    [
      'another variant',
      given({ response: says(['max-age=60'], 'Vary', 'X-A'), probe: says([], 'X-A', '1') }),
      { use: 'ask', ifNoneMatch: [] },
    ],
  ]
  for (const [name, exchange, expected] of rows) {
    t.match(ours(exchange), expected, name)
    t.same(theirs(exchange), ours(exchange), `${name}: theirs`)
  }
})

t.test('every explained difference is one, and its rule alone explains it', async (t) => {
  for (const rule of RULES) {
    const { difference, because, example } = rule
    const name = `${difference} (${because})`
    t.notSame(theirs(example), ours(example), `differs: ${name}`)
    t.same(theirs(reading(example)), ours(example), `explained: ${name}`)
    t.notSame(theirs(reading(example, rule)), ours(example), `by nothing else: ${name}`)
  }
})

t.test('generated exchanges: one verdict, or explained differences', async () => {
  fc.assert(fc.property(exchanges, agree), { numRuns: Number(process.env.RUNS ?? 3000) })
})

t.test('what a 304 updates: the same, or explained differences', async (t) => {
  const readAll = (update: Update, left?: Rule<Update>) =>
    UPDATE_RULES.reduce((read, rule) => (rule === left ? read : rule.reads(read)), update)
  for (const rule of UPDATE_RULES) {
    const { difference, because, example } = rule
    const name = `${difference} (${because})`
    t.notSame(theirUpdate(example), ourUpdate(example), `differs: ${name}`)
    t.same(theirUpdate(readAll(example)), ourUpdate(example), `explained: ${name}`)
    t.notSame(theirUpdate(readAll(example, rule)), ourUpdate(example), `by nothing else: ${name}`)
  }
  fc.assert(
    fc.property(updates, (update) => {
      const shown = {
        update,
        read: readAll(update),
        ours: ourUpdate(update),
        theirs: theirUpdate(readAll(update)),
      }
      if (!isDeepStrictEqual(shown.ours, shown.theirs))
        throw new Error(`an unexplained difference: ${inspect(shown, { depth: 5, breakLength: 100 })}`)
    }),
    { numRuns: Number(process.env.RUNS ?? 3000) },
  )
})

function agree(exchange: Exchange): void {
  const read = reading(exchange)
  if (inspect(theirs(read)) === inspect(ours(exchange))) return
  const shown = {
    exchange,
    ours: ours(exchange),
    theirs: theirs(exchange),
    read,
    'theirs, of what was read': theirs(read),
  }
  throw new Error(`an unexplained difference: ${inspect(shown, { depth: 5, breakLength: 100 })}`)
}
