import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get, slowClient } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { createRandom } from '../../helpers/random.ts'

const MIB = 1024 * 1024
const FILES = 24

// Memory of evicted slices and of what was passed on is used again: a byte too early, and one client gets another's content.
for (const l2 of [undefined, 256 * MIB]) {
  t.test(
    `clients of all kinds get their own content while its memory is used again, ${l2 ? 'with' : 'without'} a disk`,
    async (t) => {
      const random = createRandom(74)
      const files = Array.from({ length: FILES }, (_, i) => bytesOf(740 + i, 100_000 + random.below(2 * MIB)))
      const origin = await startOrigin(t, async (request, exchange) => {
        const [, kind, n] = /(pass|file)(\d+)/.exec(request.target)!
        const file = files[Number(n)]
        const cacheControl = kind === 'pass' ? 'no-store' : 'max-age=600'
        await exchange.head({
          fields: ['Content-Length', String(file.length), 'Cache-Control', cacheControl, 'ETag', `"${n}"`],
        })
        for (let at = 0; at < file.length; ) {
          const size = random.chance(0.3) ? 3000 : 200_000
          await exchange.write(file.subarray(at, at + size))
          at += size
        }
      })
      // Room for a few of them.
      const proxy = await startProxy(t, { upstream: origin.url, l1: 6 * MIB, l2 })

      async function client(): Promise<void> {
        for (let i = 0; i < 12; i++) {
          const n = random.below(FILES)
          const url = `${proxy.url}/${random.chance(0.4) ? 'pass' : 'file'}${n}`
          if (random.chance(0.15)) {
            const { socket, write, wire } = await connect(proxy.url)
            write(`GET ${new URL(url).pathname} HTTP/1.1\r\nHost: x\r\n\r\n`)
            await wire.some(1000)
            socket.destroy()
            continue
          }
          const method = random.chance(0.2) ? 'POST' : 'GET'
          const { body, status } = random.chance(0.2)
            ? await slowClient(url, 16 * MIB, { method })
            : await get(url, { method })
          t.equal(status, 200)
          if (!body.equals(files[n])) t.fail(`${url}: ${body.length} bytes of ${files[n].length}, or others`)
        }
      }
      await Promise.all(Array.from({ length: 16 }, client))
      t.ok(origin.requests.length > 30)
    },
  )
}

t.test('what a client has not taken yet is not used again, also of what passes through', async (t) => {
  const [mine, others] = [bytesOf(75, 24 * MIB), bytesOf(76, 3 * MIB)]
  const origin = await startOrigin(t, async (request, exchange) => {
    const file = request.method === 'POST' ? mine : others
    await exchange.head({ fields: ['Content-Length', String(file.length), 'Cache-Control', 'no-store'] })
    await exchange.write(file)
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const slow = Array.from({ length: 6 }, () =>
    slowClient(`${proxy.url}/mine`, 24 * MIB, { method: 'POST', timeout: 60_000 }),
  )
  for (let i = 0; i < 10; i++) {
    const answers = await Promise.all(Array.from({ length: 4 }, () => get(`${proxy.url}/others`)))
    for (const { body } of answers) t.ok(body.equals(others))
  }
  for (const { body } of await Promise.all(slow)) t.ok(body.equals(mine))
})
