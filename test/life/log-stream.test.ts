import t from 'tap'
import { createLogStream } from '../../life/log-stream.ts'
import { until } from '../helpers/until.ts'

/** A file that takes `room` bytes at a time, or throws what is set. */
function scripted() {
  const file = { text: '', room: Number.POSITIVE_INFINITY, fails: null as string | null }
  const write = (_fd: number, bytes: Uint8Array): number => {
    if (file.fails !== null) throw Object.assign(new Error(file.fails), { code: file.fails })
    const taken = Math.min(file.room, bytes.length)
    file.text += Buffer.from(bytes.subarray(0, taken)).toString('latin1')
    return taken
  }
  return { file, log: createLogStream({ write }) }
}

t.test('lines are written as they come, in parts where the file takes no more', async (t) => {
  const { file, log } = scripted()
  file.room = 3
  log.write('first line\n')
  log.write('second\n')
  t.equal(file.text, 'first line\nsecond\n')
})

t.test('what cannot be written is lost, and how much is told afterwards', async (t) => {
  for (const code of ['ENOSPC', 'EPIPE', 'EIO']) {
    const { file, log } = scripted()
    log.write('before\n')
    file.fails = code
    for (let i = 0; i < 3; i++) log.write('lost\n')
    file.fails = null
    log.write('after\n')
    log.write('again\n')
    const [before, told, after, again, end] = file.text.split('\n')
    t.same([before, after, again, end], ['before', 'after', 'again', ''], code)
    t.match(JSON.parse(told), { level: 40, msg: 'log lines were lost', lines: 3 })
  }
})

t.test('a reader that does not keep up gets everything later, up to a limit', async (t) => {
  const { file, log } = scripted()
  file.fails = 'EAGAIN'
  const line = `${'x'.repeat(1023)}\n`
  for (let i = 0; i < 2000; i++) log.write(line)
  t.equal(file.text, '')
  file.fails = null
  await until(() => file.text.length > 0)
  const kept = file.text.length / line.length
  t.ok(kept > 1000 && kept < 1100, `${kept} KiB kept`)
  log.write('after\n')
  t.match(JSON.parse(file.text.split('\n').at(-3)!), { lines: 2000 - kept })
})
