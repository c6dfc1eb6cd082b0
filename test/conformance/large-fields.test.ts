import t, { type Test } from 'tap'
import { get, sendRaw } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../helpers/proxy.ts'

/** An origin that says this of every response. */
async function start(t: Test, fields: string[], options: Partial<StartProxyOptions> = {}) {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ fields, body: 'x' }))
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0, maxRetries: 0, ...options })
  return { origin, proxy, ask: () => get(`${proxy.url}/x`) }
}

const MILLION = 1_000_000
const GIANTS: Record<string, string> = {
  'one directive': `x="${'y'.repeat(MILLION)}"`,
  'many directives': 'max-age=60, '.repeat(MILLION / 12),
  commas: ','.repeat(MILLION),
  'quotes that never close': '"'.repeat(MILLION + 1),
  backslashes: `x="${'\\'.repeat(MILLION)}`,
  'spaces before a comma': `max-age${' '.repeat(MILLION)}=60, public`,
  'a number of a million digits': `max-age=${'9'.repeat(MILLION)}`,
}

for (const [what, value] of Object.entries(GIANTS)) {
  t.test(
    `C26 Cache-Control of a million characters from the origin (${what}): a clean refusal`,
    async (t) => {
      const { proxy, ask } = await start(t, ['Cache-Control', value])
      for (let i = 0; i < 2; i++) {
        const answer = await ask()
        t.match(answer, { status: 502, complete: true })
        t.match(answer.header('proxy-status'), /^slicestream; error=http_/)
        t.notMatch(answer.header('cache-status'), /stored/)
        t.ok(answer.length < 1000)
      }
      t.equal(proxy.counters.fillsNow, 0)
    },
  )
}

/** As long as a head may be that the proxy reads: 16 KiB with all other fields. */
const LENGTH = 15_000
const LONG: [what: string, value: string, hit: boolean][] = [
  ['a long extension before the lifetime', `x="${'y'.repeat(LENGTH)}", max-age=60`, true],
  ['a long extension after the lifetime', `max-age=60, x="${'y'.repeat(LENGTH)}"`, true],
  [
    'a long extension that hides private in quotes',
    `max-age=60, x="${'private, '.repeat(LENGTH / 9)}"`,
    true,
  ],
  ['the lifetime a thousand times', 'max-age=60, '.repeat(LENGTH / 12), true],
  ['commas', `${','.repeat(LENGTH)}max-age=60`, true],
  ['spaces', `max-age=60${' ,'.repeat(LENGTH / 2)}`, true],
  ['private at the very end', `max-age=60, x="${'y'.repeat(LENGTH)}", private`, false],
  ['no-store after many lifetimes', `${'max-age=60, '.repeat(LENGTH / 12)}no-store`, false],
  ['private="…" with a long list', `max-age=60, private="${'a, '.repeat(LENGTH / 3)}"`, true],
  ['private="" at the end', `${'max-age=60, '.repeat(LENGTH / 12)}private=""`, false],
  ['a quote that never closes', `max-age=60, x="${'y'.repeat(LENGTH)}, private`, false],
  ['a number of many digits', `max-age=${'9'.repeat(LENGTH)}`, true],
  ['a number with many zeros in front', `max-age=${'0'.repeat(LENGTH)}60`, true],
  ['only zeros', `max-age=${'0'.repeat(LENGTH)}`, false],
]

for (const [what, value, hit] of LONG) {
  t.test(`C26 a long Cache-Control: ${what}: ${hit ? 'stored' : 'not reused'}`, async (t) => {
    const { ask } = await start(t, ['Cache-Control', value])
    t.match(await ask(), { status: 200 })
    const again = await ask()
    t.match(again, { status: 200 })
    t.equal(again.header('x-cache') === 'HIT', hit)
    t.equal(again.header('cache-control'), value.trim(), 'passed on as it came')
  })
}

t.test('C26 a lifetime of many digits is 2^31 seconds (RFC 9111 section 1.2.2)', async (t) => {
  for (const digits of ['2147483648', '4294967296', '9'.repeat(30), `${'9'.repeat(400)}`]) {
    const { ask } = await start(t, ['Cache-Control', `max-age=${digits}`])
    await ask()
    t.match((await ask()).header('cache-status'), /ttl=214748364[78]\b/, digits.slice(0, 30))
  }
})

t.test('C26 a request with a Cache-Control of a million characters harms nobody else', async (t) => {
  const { origin, proxy, ask } = await start(t, ['Cache-Control', 'max-age=60'])
  const head = `GET /x HTTP/1.1\r\nHost: ${new URL(proxy.url).host}\r\nCache-Control: `
  for (const value of Object.values(GIANTS)) {
    t.match((await sendRaw(proxy.url, `${head}${value}\r\n\r\n`)).toString('latin1'), /^(HTTP\/1\.1 431 |$)/)
  }
  t.equal(origin.requests.length, 0)
  t.match(await ask(), { status: 200 })
  for (const [, value] of LONG) {
    const long = { headers: { 'Cache-Control': value } }
    t.match(await get(`${proxy.url}/x`, long), { status: 200 })
  }
  t.equal((await ask()).header('x-cache'), 'HIT')
})

t.test('C26 other fields that are long: ETag, Vary, Age, Expires, Cache-Groups', async (t) => {
  const fresh = ['Cache-Control', 'max-age=60']
  const cases: [name: string, value: string, hit: boolean][] = [
    ['ETag', `"${'e'.repeat(LENGTH)}"`, true],
    ['Vary', Array.from({ length: 3000 }, (_, i) => `v${i % 1000}`).join(','), true],
    ['Vary', `${'a,'.repeat(LENGTH / 2)}*`, false],
    ['Age', '1'.repeat(LENGTH), false],
    ['Age', `${'0'.repeat(LENGTH)}1`, true],
    ['Cache-Groups', Array.from({ length: 3000 }, () => '"a"').join(', '), true],
    ['CDN-Cache-Control', `max-age=60, x=${'a'.repeat(LENGTH)}`, true],
  ]
  for (const [name, value, hit] of cases) {
    const { ask } = await start(t, [...fresh, name, value])
    t.match(await ask(), { status: 200 }, name)
    const again = await ask()
    t.equal(again.header('x-cache') === 'HIT', hit, `${name} ${value.slice(0, 20)}`)
    t.equal(again.body.toString(), 'x')
  }
})

t.test('C26 more fields than anybody needs', async (t) => {
  const many = Array.from({ length: 900 }, (_, i) => ['Cache-Control', `x${i}`]).flat()
  const { ask } = await start(t, [...many.slice(0, 1000), 'Cache-Control', 'max-age=60'])
  const first = await ask()
  if (first.status === 200) t.equal((await ask()).header('x-cache'), 'HIT')
  else t.match(first, { status: 502 }, 'or none of it')
})
