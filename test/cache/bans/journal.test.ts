import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Ban } from '../../../lib/cache/bans/ban.ts'
import { openJournal } from '../../../lib/cache/bans/journal.ts'
import { tempDir } from '../../helpers/scope.ts'

function ban(time: number, tag = `t${time}`): Ban {
  return { what: { kind: 'tag', tag }, mode: 'gone', time }
}

const none = () => []

t.test('what was appended is read again, whatever is in it', async (t) => {
  const file = join(tempDir(t), 'deep/bans')
  const { journal, bans } = openJournal(file, none)
  t.same(bans, [])
  t.notOk(existsSync(file), 'nothing is written before there is something to write')
  const all: Ban[] = [
    ban(1),
    ban(2.25, 'line\nbreak ☃ "quoted"'),
    { what: { kind: 'paths', authority: null, pattern: '/a*b' }, mode: 'stale', time: 3 },
    { what: { kind: 'group', scheme: 'http', authority: '', name: 'g' }, mode: 'invalid', time: 4 },
  ]
  await Promise.all(all.map((each) => journal.append(each)))
  t.equal(journal.length, 4)
  const again = openJournal(file, none)
  t.same(again.bans, all)
  await again.journal.append(ban(5))
  await Promise.all([journal.close(), again.journal.close()])
  t.same(openJournal(file, none).bans, [...all, ban(5)])
})

t.test('a last line that is not whole is dropped, at every byte; the next ban is whole', async (t) => {
  const file = join(tempDir(t), 'bans')
  const { journal } = openJournal(file, none)
  for (const time of [1, 2]) await journal.append(ban(time))
  await journal.close()
  const whole = readFileSync(file)
  const first = whole.indexOf('\n', whole.indexOf('\n') + 1) + 1
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(file, whole.subarray(0, length))
    const found = openJournal(file, () => opened.bans)
    const opened = found
    t.equal(found.damaged, 0, `${length} bytes`)
    t.same(found.bans, length < first ? [] : [ban(1)])
    await found.journal.append(ban(3))
    await found.journal.close()
    t.same(openJournal(file, none).bans.at(-1), ban(3))
    t.equal(openJournal(file, none).damaged, 0)
  }
})

t.test('a line that was changed is told, and the others are read', async (t) => {
  const file = join(tempDir(t), 'bans')
  const { journal } = openJournal(file, none)
  for (const time of [1, 2, 3]) await journal.append(ban(time))
  await journal.close()
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('"t2"', '"tx"'))
  const { bans, damaged } = openJournal(file, none)
  t.same(bans, [ban(1), ban(3)])
  t.equal(damaged, 1)
})

t.test('a file of somebody else is refused and left as it is', (t) => {
  const dir = tempDir(t)
  const file = join(dir, 'bans')
  for (const text of ['hello\n', 'slicestream bans 2\n', '\0']) {
    writeFileSync(file, text)
    t.throws(() => openJournal(file, none), { message: /holds something else; choose another path/ })
    t.equal(readFileSync(file, 'utf8'), text)
  }
  t.throws(() => openJournal(dir, none), { message: /cannot be read \(EISDIR\)/ })
  t.end()
})

t.test('written anew it has what is needed, and what is appended meanwhile', async (t) => {
  const file = join(tempDir(t), 'bans')
  const { journal } = openJournal(file, () => [ban(20)])
  for (let time = 1; time <= 20; time++) await journal.append(ban(time))
  const rewritten = journal.rewrite(() => true)
  const appended = journal.append(ban(21))
  await Promise.all([rewritten, appended])
  t.equal(journal.length, 2)
  await journal.close()
  t.same(openJournal(file, none).bans, [ban(20), ban(21)])
})

t.test(
  'a process that took over has replaced the file: what the old one appends goes to the new',
  async (t) => {
    const file = join(tempDir(t), 'bans')
    const old = openJournal(file, none).journal
    await old.append(ban(1))
    const young = openJournal(file, () => [ban(1)]).journal
    await young.rewrite(() => true)
    await old.append(ban(2))
    await young.append(ban(3))
    await Promise.all([old.close(), young.close()])
    t.same(openJournal(file, none).bans, [ban(1), ban(2), ban(3)])
  },
)

t.test('an error rejects; what comes after it is whole, with what is known by then', async (t) => {
  const dir = join(tempDir(t), 'd')
  mkdirSync(dir)
  const file = join(dir, 'bans')
  const known: Ban[] = []
  const { journal } = openJournal(file, () => known)
  renameSync(dir, `${dir}2`)
  writeFileSync(dir, 'no directory')
  known.push(ban(1))
  await t.rejects(journal.append(ban(1)), { code: 'ENOTDIR' })
  renameSync(dir, `${dir}3`)
  known.push(ban(2))
  await journal.append(ban(2))
  await journal.close()
  const { bans } = openJournal(file, none)
  t.ok(
    bans.some(({ time }) => time === 1),
    'what failed is there now',
  )
  t.ok(bans.some(({ time }) => time === 2))
})

/** A process: what it knows, and its journal. */
function openProcess(file: string) {
  const known = new Map<number, Ban>()
  const opened = openJournal(
    file,
    () => [...known.values()],
    (other) => known.set(other.time, other),
  )
  for (const each of opened.bans) known.set(each.time, each)
  const { journal } = opened
  return {
    known,
    journal,
    ban(time: number) {
      known.set(time, ban(time))
      return journal.append(ban(time))
    },
  }
}

const timesIn = (file: string) => openJournal(file, none).bans.map(({ time }) => time)

t.test(
  'two processes that overlap hear of each other, and neither drops what the other was told',
  async (t) => {
    const file = join(tempDir(t), 'bans')
    const old = openProcess(file)
    await old.ban(1)
    const young = openProcess(file)
    await Promise.all([2, 4, 6].map((time) => old.ban(time)))
    await young.ban(3)
    t.same([...young.known.keys()].sort(), [1, 2, 3, 4, 6])
    await old.ban(5)
    t.same([...old.known.keys()].sort(), [1, 2, 3, 4, 5, 6])
    await young.journal.rewrite(() => true)
    await Promise.all([old.journal.close(), young.journal.close()])
    t.same(timesIn(file).sort(), [1, 2, 3, 4, 5, 6])
  },
)

for (const beginning of ['no file', 'a torn line']) {
  t.test(`two processes that both begin with ${beginning} drop nothing`, async (t) => {
    const file = join(tempDir(t), 'bans')
    if (beginning === 'a torn line') writeFileSync(file, 'slicestream bans 1\n1234')
    const [a, b] = [openProcess(file), openProcess(file)]
    await a.ban(1)
    await b.ban(2)
    await a.ban(3)
    await Promise.all([a.journal.close(), b.journal.close()])
    t.same([...new Set(timesIn(file))].sort(), [1, 2, 3])
  })
}

t.test('what is appended while another process writes the file anew is in it', async (t) => {
  const file = join(tempDir(t), 'bans')
  const [a, b] = [openProcess(file), openProcess(file)]
  await a.ban(1)
  let running = true
  const rewriting = (async () => {
    while (running) await b.journal.rewrite(() => true)
  })()
  const times = Array.from({ length: 60 }, (_, i) => i + 2)
  for (const time of times) await a.ban(time)
  running = false
  await rewriting
  await Promise.all([a.journal.close(), b.journal.close()])
  const found = new Set(timesIn(file))
  t.same(
    times.filter((time) => !found.has(time)),
    [],
  )
})
