import { createBanList } from '../lib/cache/bans/list.ts'
import type { Context, Exchange } from '../lib/cache/context.ts'
import { createCounters } from '../lib/cache/counters.ts'
import { serveFromMemory } from '../lib/cache/fast-path.ts'
import { selectFor } from '../lib/cache/reuse.ts'
import { type Decision, decide } from '../lib/semantics/decide.ts'
import { createHead } from '../lib/semantics/head.ts'
import { policyOf } from '../lib/semantics/policy.ts'
import { FILL_FIELDS, upstreamFields } from '../lib/semantics/request-fields.ts'
import type { FieldList, Head } from '../lib/semantics/types.ts'
import { type Bench, percentile } from './harness.ts'

/** Nanoseconds in which a hit must be decided. */
const TARGET = 1000
const BODY = Buffer.alloc(1024, 'x')
const TIME = Date.now()

const UPSTREAM = {
  httpVersion: '1.1',
  hostHeader: 'origin.internal:8080',
  clientAddress: '192.0.2.1',
  trusted: false,
  scheme: 'https',
  host: 'www.example.org',
  instance: 'a1b2c3d4',
  drop: FILL_FIELDS,
}

/** A GET as a browser sends it. */
const BROWSER: FieldList = [
  ...[
    'Host',
    'www.example.org',
    'Connection',
    'keep-alive',
    'sec-ch-ua',
    '"Chromium";v="140", "Not)A;Brand";v="8"',
  ],
  ...['sec-ch-ua-mobile', '?0', 'sec-ch-ua-platform', '"Linux"', 'Upgrade-Insecure-Requests', '1'],
  ...[
    'User-Agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0',
  ],
  ...['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'],
  ...['Sec-Fetch-Site', 'none', 'Sec-Fetch-Mode', 'navigate'],
  ...['Accept-Encoding', 'gzip, deflate, br, zstd', 'Accept-Language', 'de-CH,de;q=0.9,en;q=0.8'],
]

interface Shape {
  name: string
  /** What is stored under the key. */
  heads: Head[]
  request: FieldList
  /** A fresh one is answered from memory at once. */
  expected: 'fresh' | 'revalidate'
}

const SHAPES: Shape[] = [
  { name: '12 fields, as of a browser', heads: [stored()], request: BROWSER, expected: 'fresh' },
  {
    name: 'with Cache-Control: max-age=0',
    heads: [stored()],
    request: [...BROWSER, 'Cache-Control', 'max-age=0'],
    expected: 'revalidate',
  },
  {
    name: 'Vary: Accept-Encoding, Accept-Language; 1 variant',
    heads: variants(1),
    request: BROWSER,
    expected: 'fresh',
  },
  { name: 'the same, 16 variants', heads: variants(16), request: BROWSER, expected: 'fresh' },
  {
    name: 'with a Cookie of 4 KiB',
    heads: [stored()],
    request: [...BROWSER, 'Cookie', `session=${'0123456789abcdef'.repeat(256)}`],
    expected: 'fresh',
  },
]

/** What it costs to decide that a request is a hit, and to make the head of its response. */
export function benchDecide(bench: Bench): void {
  const rounds = bench.smoke ? 3 : 300
  const times = SHAPES.map(() => ({ decided: [] as number[], served: [] as number[] }))
  const measured = SHAPES.map((shape) => ({
    ...shape,
    exchanges: exchangesOf(shape.request),
    serve: server(shape.heads),
  }))
  // In turn, so that no shape gets code that was optimised for it alone. The first rounds warm up.
  for (let round = -Math.ceil(rounds / 5); round < rounds; round++) {
    for (const [i, { heads, exchanges, serve, expected }] of measured.entries()) {
      const decided = nanoseconds(
        exchanges,
        (exchange, n) => decision(heads, exchange, TIME + n) === expected,
      )
      const served = expected === 'fresh' ? nanoseconds(exchanges, serve) : Number.NaN
      if (round < 0) continue
      times[i].decided.push(decided)
      times[i].served.push(served)
    }
  }

  bench.line('## Deciding a hit')
  bench.line('')
  bench.line(
    `Nanoseconds, medians of ${rounds} rounds. Decided: the variant is selected and found to be fresh. Served: \`serveFromMemory\`, from`,
  )
  bench.line('the look-up by key to the call of `writeHead`, without what Node does then and before.')
  bench.line('')
  bench.line('| request | decided | target | served |')
  bench.line('|---|---|---|---|')
  for (const [i, { name, expected }] of SHAPES.entries()) {
    const served = expected === 'fresh' ? Math.round(percentile(times[i].served, 0.5)) : 'validated first'
    bench.line(`| ${name} | ${Math.round(percentile(times[i].decided, 0.5))} | < ${TARGET} | ${served} |`)
  }
  bench.line('')
}

function decision(heads: readonly Head[], exchange: Exchange, now: number): Decision | undefined {
  const head = selectFor(exchange, heads)
  return head === undefined ? undefined : decide(head, exchange.fields, now)
}

/** A response that goes nowhere, and counts the fields that it was given. */
const NOWHERE = {
  fields: 0,
  writeHead(_status: number, list: FieldList) {
    this.fields += list.length
  },
  end() {},
}

/** As much of an exchange as a hit looks at. The fields as the origin would get them are made only where they select. */
function exchangeOf(fields: FieldList): Exchange {
  const exchange = {
    method: 'GET',
    key: 'k',
    fields,
    res: NOWHERE,
    result: '',
    forwarded: () => upstreamFields(fields, UPSTREAM),
    onHead() {},
  }
  return exchange as unknown as Exchange
}

/** Mean time of one call. Every result is looked at, so that no call can be left out. */
function nanoseconds(exchanges: Exchange[], work: (exchange: Exchange, n: number) => boolean): number {
  const calls = 50 * exchanges.length
  let expected = 0
  const started = process.hrtime.bigint()
  for (let n = 0; n < calls; n++) if (work(exchanges[n % exchanges.length], n)) expected++
  const taken = Number(process.hrtime.bigint() - started)
  if (expected !== calls)
    throw new Error(`${calls - expected} of ${calls} were decided otherwise than expected`)
  return taken / calls
}

/** Copies with strings of their own, as the parser of node:http makes them: to compare them is not to compare pointers. */
function exchangesOf(request: FieldList): Exchange[] {
  return Array.from({ length: 40 }, () =>
    exchangeOf(request.map((text) => Buffer.from(text, 'latin1').toString('latin1'))),
  )
}

/** `serveFromMemory` on a memory tier that holds these heads. */
function server(heads: Head[]): (exchange: Exchange) => boolean {
  const context = {
    sliceSize: 65536,
    counters: createCounters(),
    resources: { peek: () => undefined },
    bans: createBanList(),
    store: {
      l1Heads: () => heads,
      l1Slice: () => ({ length: BODY.length, segments: [BODY] }),
    },
  } as unknown as Context
  return (exchange) => {
    const before = NOWHERE.fields
    return serveFromMemory(context, exchange) && NOWHERE.fields > before
  }
}

function variants(count: number): Head[] {
  // The one that the browser selects is the first, so that all are looked at.
  const languages = ['de-CH,de;q=0.9,en;q=0.8', ...'en fr it es pt pl cs sk hu ro bg el fi sv da'.split(' ')]
  return languages
    .slice(0, count)
    .map((language) =>
      stored(
        ['Vary', 'Accept-Encoding, Accept-Language'],
        ['Accept-Encoding', 'gzip, deflate, br, zstd', 'Accept-Language', language],
      ),
    )
}

function stored(fields: FieldList = [], request: FieldList = []): Head {
  const response = {
    status: 200,
    fields: [
      ...['Date', new Date(TIME).toUTCString(), 'Content-Type', 'text/html; charset=utf-8'],
      ...[
        'Cache-Control',
        'max-age=86400',
        'ETag',
        '"5f3c-1b2a"',
        'Last-Modified',
        'Fri, 06 Nov 2026 12:00:00 GMT',
      ],
      ...['Server', 'origin', 'X-Request-Id', '7f9a2c', ...fields],
    ],
    requestTime: TIME,
    responseTime: TIME,
    order: 0,
  }
  const options = { cacheTtl: 0, targets: ['cdn-cache-control'], setCookie: 'explicit' } as const
  return createHead({
    key: 'k',
    generation: 1,
    sliceSize: 65536,
    request: { fields: request },
    response,
    policy: policyOf(response.fields, options.targets),
    length: BODY.length,
    options,
  })
}
