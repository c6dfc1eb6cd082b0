import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { scratchDirectory } from '../helpers.ts'
import { type AnyCall, open, refused, replaceSystemCalls } from './opening.ts'

const program = join(import.meta.dirname, 'ownership-child.ts')

interface Child {
  /** What it says: `open`, or why not. */
  said: Promise<string>
  process: ChildProcess
  ended: Promise<unknown>
}

function start(t: { teardown(done: () => unknown): void }, path: string, env = process.env): Child {
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'], env })
  const ended = once(child, 'exit')
  const said = new Promise<string>((resolve) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (more) => (text += more))
    child.stdout.on('data', () => text.includes('\n') && resolve(text.trim()))
    child.stdout.on('close', () => resolve(text.trim()))
  })
  t.teardown(() => {
    child.kill('SIGKILL')
    return ended
  })
  return { said, process: child, ended }
}

const inUse = {
  code: 'EBUSY',
  message: /disk is in use by another process: stop that one, or choose another path$/,
}

t.test('what another process has is refused until that one is killed', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  const child = start(t, path)
  t.equal(await child.said, 'open')
  await refused(t, path, {}, inUse)
  await refused(t, path, { format: true, directIo: false }, inUse)

  child.process.kill('SIGKILL')
  await child.ended
  const { device } = await open(t, path)
  const next = start(t, path)
  t.match(await next.said, /^EBUSY .* is in use by another process/)
  await device.close()
  t.equal(await start(t, path).said, 'open')
})

t.test('this process has it once, too', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  const { device } = await open(t, path)
  await refused(t, path, {}, inUse)
  await device.close()
  await open(t, path)
})

t.test('a program that was started meanwhile does not keep it', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  const { device } = await open(t, path)
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)'], { stdio: 'ignore' })
  t.teardown(() => other.kill('SIGKILL'))
  await once(other, 'spawn')
  await device.close()
  await open(t, path)
})

t.test('of many that make the file at once one has it', async (t) => {
  const dir = scratchDirectory(t)
  const path = join(dir, 'disk')
  const children = [1, 2, 3, 4].map(() => start(t, path))
  const said = await Promise.all(children.map((child) => child.said))
  t.equal(said.filter((each) => each === 'open').length, 1, said.join('; '))
  t.equal(said.filter((each) => each.startsWith('EBUSY')).length, 3, said.join('; '))
  t.same(readdirSync(dir), ['disk'])
})

/** What another process does right after this one has opened the file that is to become the disk. */
function meanwhile(t: Parameters<typeof replaceSystemCalls>[0], act: () => void): void {
  const { open } = fs as { open: AnyCall }
  let isFirst = true
  replaceSystemCalls(t, {
    open(path, flags, mode, done) {
      open(path, flags, mode, (error: Error | null, fd: number) => {
        if (isFirst) act()
        isFirst = false
        done(error, fd)
      })
    },
  })
}

t.test('another process has made the file before this one could begin', async (t) => {
  const dir = scratchDirectory(t)
  const path = join(dir, 'disk')
  meanwhile(t, () => writeFileSync(path, 'of another process'))
  await refused(t, path, {}, inUse)
  t.equal(readFileSync(path, 'utf8'), 'of another process')
  t.same(readdirSync(dir), ['disk'])
})

t.test('the file that this process has begun with is the finished one of another', async (t) => {
  const dir = scratchDirectory(t)
  const path = join(dir, 'disk')
  meanwhile(t, () => renameSync(`${path}.new`, path))
  await refused(t, path, {}, inUse)
  t.same(readdirSync(dir), ['disk'])
  t.ok(fs.statSync(path).size <= 4096, 'nothing but the page that tried O_DIRECT')
})

t.test('a process that is killed while it makes the file leaves nothing in the way', async (t) => {
  const dir = scratchDirectory(t)
  const path = join(dir, 'disk')
  const child = start(t, path)
  while (readdirSync(dir).length === 0) await new Promise(setImmediate)
  child.process.kill('SIGKILL')
  await child.ended
  await open(t, path)
  t.same(readdirSync(dir), ['disk'])
})

t.test('without flock it is refused, and says what to install', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  const child = start(t, path, { ...process.env, PATH: '/nowhere' })
  t.match(await child.said, /^ENOLCK files cannot be locked: flock cannot be run \(ENOENT\): install flock/)
})
