import t from 'tap'
import { nameSockets, takeListenFds } from '../../life/listen-fds.ts'

t.test('sockets are told by their names, the proxy by having another one or none', async (t) => {
  t.same(nameSockets('1'), { proxy: 3 })
  t.same(nameSockets('1', 'slicestream.socket'), { proxy: 3 })
  t.same(nameSockets('3', 'health:proxy:metrics'), { health: 3, proxy: 4, metrics: 5 })
  t.same(nameSockets('2', 'unknown:health'), { proxy: 3, health: 4 })
  t.same(nameSockets('0'), {})
  t.throws(() => nameSockets('2'), /fd 3 and fd 4 would both be proxy; .* proxy, health, metrics/)
  t.throws(() => nameSockets('2', 'health:health'), /would both be health/)
  t.throws(() => nameSockets('many'), /not a number: many/)
})

t.test('what is for another process is left alone, and the variables are gone for children', async (t) => {
  const env: NodeJS.ProcessEnv = { LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'proxy', OTHER: 'stays' }
  t.same(takeListenFds(env, 2), {})
  t.same(env, { OTHER: 'stays' })
  t.same(takeListenFds({}, 2), {})
})
