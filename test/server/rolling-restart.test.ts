import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { childEnv, plain } from '../helpers/child.ts'
import type { Rolled } from './rolling.ts'
import { root } from './run.ts'

const run = promisify(execFile)
const SETTING = '/proc/sys/net/ipv4/tcp_migrate_req'

/** A network of its own, in which the kernel hands connections that nobody accepted yet to the other process (Linux, root). */
const OWN_NETWORK = [
  'unshare',
  '--net',
  'sh',
  '-c',
  `ip link set lo up && echo 1 >${SETTING} && exec "$@"`,
  'sh',
]

t.test(
  'H59 three rolling restarts with listen_reuse_port, under 200 requests a second: none fails',
  async (t) => {
    const [command, ...args] = OWN_NETWORK
    const ownNetwork = await run(command, [...args, 'true']).then(
      () => true,
      () => false,
    )
    // Without that setting the kernel resets a connection that comes in the microseconds between the last accept and the close.
    if (!ownNetwork)
      t.comment(`no network of its own with ${SETTING}: clients try again what was reset at once`)
    const program = [
      process.execPath,
      join(import.meta.dirname, 'rolling.ts'),
      ...(ownNetwork ? [] : ['--retry']),
    ]
    const [outer, ...rest] = ownNetwork ? [...OWN_NETWORK, ...program] : program
    const { stdout } = await run(...plain(outer, rest), {
      cwd: root,
      env: childEnv(),
      timeout: 400_000,
      maxBuffer: 64 * 1024 * 1024,
    })
    const rolled: Rolled = JSON.parse(stdout)
    t.same(rolled.failures, [])
    t.same(rolled.notReady, [], 'and /ready is never anything else')
    t.same(rolled.exits, [0, 0, 0])
    t.ok(rolled.answered >= 400, `${rolled.answered} answers, ${rolled.resets} connections tried again`)
    t.notMatch(rolled.log, 'cutting')
    if (ownNetwork) t.notMatch(rolled.log, 'tcp_migrate_req')
  },
)
