import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { readUnacknowledged, unacknowledgedIn } from '../../lib/net/unacknowledged.ts'

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'

t.test('the table is read by ports', async (t) => {
  const table = Buffer.from(
    `${HEAD}   0: 0100007F:1F90 0100007F:D431 01 0002A3F0:00000000 01:00000014 00000000     0        0 1 1 ffff 20\n` +
      '   1: 0100007F:1F90 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 2 1 ffff 100\n' +
      `${HEAD}` +
      '  12: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:0050 01 00000001:00000000 00:0\n' +
      '123456: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000300007F:0050 01 00000002:00000000 00:0\n',
  )
  const one = { localPort: 8080, remotePort: 54321 }
  const two = { localPort: 8080, remotePort: 80 }
  const none = { localPort: 8080, remotePort: 81 }
  const found = unacknowledgedIn(table, [one, two, none, {}])
  t.equal(found(one), 0x2a3f0)
  t.equal(found(two), 1 * 31 + 2, 'two clients of one port are mixed')
  t.equal(found(none), null)
  t.equal(found({}), null)
  t.equal(unacknowledgedIn(table, [one])(two), null, 'nobody had asked')
  t.equal(unacknowledgedIn(Buffer.alloc(0), [one])(one), null)
})

t.test('of many clients of one port each one changes the mix', async (t) => {
  const tableOf = (queues: number[]) =>
    Buffer.from(
      HEAD +
        queues
          .map((queue, i) => {
            const held = queue.toString(16).toUpperCase().padStart(8, '0')
            return `${i}: 0100007F:1F90 0100007F:0050 01 ${held}:00000000 00:00000000\n`
          })
          .join(''),
    )
  const port = { localPort: 8080, remotePort: 80 }
  const mixOf = (queues: number[]) => unacknowledgedIn(tableOf(queues), [port])(port)
  const queues = Array.from({ length: 40 }, (_, i) => 0x3f_f000 + i)
  const before = mixOf(queues)
  t.ok(Number.isSafeInteger(before))
  for (let i = 0; i < queues.length; i++) t.not(mixOf(queues.with(i, queues[i] - 1)), before, `${i}`)
})

t.test(
  'the system tells when a client takes something',
  { skip: process.platform !== 'linux' && 'Linux only' },
  async (t) => {
    const accepted = Promise.withResolvers<Socket>()
    const server = createServer((socket) => accepted.resolve(socket)).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const client = connectSocket((server.address() as AddressInfo).port, '127.0.0.1')
    t.teardown(() => {
      client.destroy()
      server.close()
    })
    const socket = await accepted.promise
    t.teardown(() => socket.destroy())
    client.pause()
    socket.write(Buffer.alloc(32 * 1024 * 1024))
    const look = async () => (await readUnacknowledged([socket]))(socket)
    const until = async (isEnough: (now: number | null) => boolean) => {
      for (let now = await look(); !isEnough(now); now = await look()) await wait(5)
    }
    let before: number | null = null
    let same = 0
    await until((now) => {
      same = now === before ? same + 1 : 0
      before = now
      return same > 20
    })
    t.ok(Number(before) > 10_000, 'the buffers are full')
    client.resume()
    await until((now) => now !== before)
  },
)
