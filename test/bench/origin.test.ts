import t from 'tap'
import { startBenchOrigin } from '../../bench/harness.ts'
import { contentOf } from '../../bench/origin-content.ts'
import { connect, get } from '../helpers/client.ts'

const MIB = 1024 * 1024

t.test("the bench's origin sends what the benches compare with", async (t) => {
  const origin = await startBenchOrigin(t)
  for (const length of [0, 1, 1024, 65537, MIB, 3 * MIB + 7]) {
    const answer = await get(`${origin}/bytes/${length}?x`)
    t.equal(answer.status, 200)
    t.ok(answer.complete && answer.body.equals(contentOf(length)), `${length} bytes`)
    t.equal(answer.header('etag'), `"${length}"`)
    t.equal(answer.header('cache-control'), 'max-age=3600')
  }
  t.equal((await get(`${origin}/slices/pass/10`)).header('cache-control'), 'no-store')
  t.equal((await get(`${origin}/else`)).status, 404)
})

t.test('ranges and HEAD', async (t) => {
  const origin = await startBenchOrigin(t)
  const whole = contentOf(5 * MIB)
  for (const [from, to] of [
    [0, 0],
    [65535, 65536],
    [MIB - 3, 3 * MIB + 4],
    [5 * MIB - 1, 5 * MIB - 1],
  ]) {
    const answer = await get(`${origin}/bytes/${5 * MIB}`, { range: `bytes=${from}-${to}` })
    t.equal(answer.status, 206)
    t.equal(answer.header('content-range'), `bytes ${from}-${to}/${5 * MIB}`)
    t.ok(answer.body.equals(whole.subarray(from, to + 1)), `${from} to ${to}`)
  }
  const open = await get(`${origin}/bytes/1000`, { range: 'bytes=990-' })
  t.ok(open.body.equals(contentOf(1000).subarray(990)), 'an open end')
  const head = await get(`${origin}/bytes/1000`, { method: 'HEAD' })
  t.match({ length: head.length, said: head.header('content-length') }, { length: 0, said: '1000' })
})

t.test('requests that come in pieces, or several at once, are answered one after the other', async (t) => {
  const origin = await startBenchOrigin(t)
  const connection = await connect(origin)
  t.teardown(() => connection.close())
  const request = (length: number) => `GET /bytes/${length} HTTP/1.1\r\nHost: x\r\n\r\n`
  connection.write(request(2 * MIB) + request(5) + request(7).slice(0, 12))
  t.equal((await connection.answer()).length, 2 * MIB)
  t.equal((await connection.answer()).length, 5)
  connection.write(request(7).slice(12))
  t.equal((await connection.answer()).length, 7)
})

t.test('it counts what it was asked for', async (t) => {
  const origin = await startBenchOrigin(t)
  const count = async () => Number((await get(`${origin}/requests`)).body.toString())
  t.equal(await count(), 0)
  await get(`${origin}/bytes/5`)
  await get(`${origin}/late/20/5`)
  t.equal(await count(), 2, 'not the questions for the count')
})
