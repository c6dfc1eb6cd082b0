import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

const SLICE = 65_536

t.test('each variant has its own bytes, from both tiers', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    const language = request.header('accept-language') ?? 'none'
    return exchange.respondFile(bytesOf(language.length, 2 * SLICE + language.length), {
      fields: { Vary: 'Accept-Language', 'Content-Language': language },
    })
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l2: 16 * 1024 * 1024 })
  const languages = ['e', 'de', 'fra', 'none']
  const check = async (expected: string, round: string) => {
    for (const language of languages) {
      const headers: Record<string, string> = language === 'none' ? {} : { 'Accept-Language': language }
      const answer = await get(`${proxy.url}/x`, { headers })
      t.equal(answer.header('x-cache'), expected, `${language}, ${round}`)
      t.ok(answer.body.equals(bytesOf(language.length, 2 * SLICE + language.length)), `${language}, ${round}`)
    }
  }
  await check('MISS', 'cold')
  await check('HIT', 'warm')
  await proxy.l2!.flush()
  await proxy.restart()
  await check('HIT', 'after a restart')
  t.equal(origin.requests.length, languages.length)
})

t.test('a variant is never completed with slices of another one', async (t) => {
  const plain = bytesOf(1, 4 * SLICE)
  const packed = bytesOf(2, 4 * SLICE)
  const origin = await startOrigin(t, (request, exchange) => {
    const gzip = request.header('accept-encoding') === 'gzip'
    const fields: Record<string, string> = gzip ? { 'Content-Encoding': 'gzip' } : {}
    return exchange.respondFile(gzip ? packed : plain, { fields: { Vary: 'Accept-Encoding', ...fields } })
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const ask = (encoding: string, range?: string) =>
    get(`${proxy.url}/x`, { headers: { 'Accept-Encoding': encoding }, range })
  await ask('gzip', 'bytes=0-9')
  await ask('identity', `bytes=${SLICE}-${SLICE + 9}`)
  t.ok((await ask('gzip')).body.equals(packed))
  t.ok((await ask('identity')).body.equals(plain))
  t.ok((await ask('gzip', `bytes=${SLICE}-${2 * SLICE}`)).body.equals(packed.subarray(SLICE, 2 * SLICE + 1)))
})

t.test('many variants: the newest are kept, and all answers are right', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', Vary: 'X-V' },
      body: `variant ${request.header('x-v')}`,
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  for (let round = 0; round < 2; round++) {
    for (let v = 0; v < 60; v++) {
      const answer = await get(`${proxy.url}/x`, { headers: { 'X-V': String(v) } })
      if (answer.body.toString() !== `variant ${v}`) t.fail(`variant ${v} got ${answer.body}`)
    }
  }
  t.ok(proxy.l1!.stats().entries <= 17, `${proxy.l1!.stats().entries} entries: the head and its slices`)
  t.equal((await get(`${proxy.url}/x`, { headers: { 'X-V': '59' } })).header('x-cache'), 'HIT')
})

t.test('a herd of several variants: nobody gets the bytes of another one', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', Vary: 'X-V' },
      body: `variant ${request.header('x-v')}`,
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => get(`${proxy.url}/x`, { headers: { 'X-V': String(i % 5) } })),
  )
  for (const [i, answer] of answers.entries()) t.equal(answer.body.toString(), `variant ${i % 5}`)
})
