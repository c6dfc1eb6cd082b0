import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { programPath } from '../helpers/program-path.ts'
import { tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { missing, root, run, startDaemon, untilAnswers } from './programs.ts'

const unit = readFileSync(join(root, 'deploy/systemd/slicestream.service'), 'utf8')

/** The calls of a set such as @system-service, the sets in it opened. */
async function callsOf(set: string): Promise<string[]> {
  const { stdout } = await run('systemd-analyze', ['syscall-filter', '--no-pager', set])
  const members = [...stdout.matchAll(/^ {4}([@a-z_0-9-]+)$/gm)].map(([, name]) => name)
  const opened = await Promise.all(members.map((name) => (name.startsWith('@') ? callsOf(name) : [name])))
  return opened.flat()
}

/** What SystemCallFilter= of the unit allows: the first line names what is, those with ~ take away. */
async function allowedCalls(): Promise<Set<string>> {
  const allowed = new Set<string>()
  for (const [, minus, sets] of unit.matchAll(/^SystemCallFilter=(~?)(.*)$/gm)) {
    const calls = (await Promise.all(sets.split(' ').map(callsOf))).flat()
    for (const call of calls) minus === '~' ? allowed.delete(call) : allowed.add(call)
  }
  return allowed
}

t.test(
  'the unit allows every system call and every family of addresses that the program uses',
  { skip: missing('strace', 'systemd-analyze'), timeout: 400_000 },
  async (t) => {
    const dir = tempDir(t)
    const origin = await fileOrigin(t, { '/file': bytesOf(1, 3_000_000), '/small': bytesOf(2, 1000) })
    const [proxy, health, metrics] = await freePorts(3)
    const config = {
      // A name to be resolved; all addresses to listen on, which are listed; a raw disk.
      upstream_address: `localhost:${origin.port}`,
      listen_address: `0.0.0.0:${proxy}`,
      health_endpoint: { address: `127.0.0.1:${health}` },
      metrics_endpoint: { address: `127.0.0.1:${metrics}` },
      l1_cache_size_bytes: 1,
      l2_backend: 'raw_disk',
      raw_disk_cache: { device_path: join(dir, 'raw'), total_size: 32 << 20 },
    }
    writeFileSync(join(dir, 'config.yaml'), JSON.stringify(config))
    const trace = join(dir, 'trace')
    const args = ['-f', '-qq', '-o', trace, process.execPath, 'server.ts', join(dir, 'config.yaml')]
    // So that systemd-notify is run; nobody listens there, which it survives.
    const strace = startDaemon(t, 'strace', args, { NOTIFY_SOCKET: join(dir, 'notify') })
    // strace goes on until the program has ended, whatever signal it gets. In the trace the program is the first process.
    const end = () => process.kill(Number(readFileSync(trace, 'utf8').split(' ')[0]), 'SIGTERM')
    t.teardown(() => strace.process.exitCode === null && end())
    const ready = `http://127.0.0.1:${health}/ready`
    const started = await untilAnswers(ready, strace).catch((error) => error)
    if (/ptrace|not permitted/i.test(strace.output)) return t.pass('it is traced', { skip: strace.output })
    if (started instanceof Error) throw started
    for (const path of ['/file', '/file', '/small', '/small']) {
      t.equal((await get(`http://127.0.0.1:${proxy}${path}`)).status, 200)
    }
    await untilAnswers(`http://127.0.0.1:${metrics}/metrics`, strace)
    end()
    await new Promise((resolve) => strace.process.once('exit', resolve))

    const text = readFileSync(trace, 'utf8')
    if (programPath('systemd-notify')) t.match(text, /execve\(".*\/systemd-notify"/)
    const used = new Set([...text.matchAll(/^\d+ +([a-z_0-9]+)\(/gm)].map(([, name]) => name))
    t.ok(used.size > 40, `${used.size} different calls were seen`)
    const allowed = await allowedCalls()
    t.ok(allowed.size > 200)
    t.same(
      [...used].filter((call) => !allowed.has(call)),
      [],
    )
    const families = unit.match(/^RestrictAddressFamilies=(.*)$/m)![1].split(' ')
    const asked = new Set([...text.matchAll(/socket\((AF_[A-Z0-9]+)/g)].map(([, family]) => family))
    t.ok(asked.has('AF_INET'))
    t.same(
      [...asked].filter((family) => !families.includes(family)),
      [],
    )
  },
)
