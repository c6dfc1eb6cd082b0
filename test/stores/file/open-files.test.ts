import fs from 'node:fs'
import { join } from 'node:path'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { createOpenFiles } from '../../../lib/stores/file/open-files.ts'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { until } from '../../helpers/until.ts'
import { bytesOf, scratchDirectory, sliceOf } from '../helpers.ts'

/** A directory with ten files, each of one letter. */
function tenFiles(t: Test) {
  const dir = scratchDirectory(t)
  const path = (letter: string) => join(dir, letter)
  for (const letter of 'abcdefghij') fs.writeFileSync(path(letter), letter)
  return { dir, path }
}

/** Files in the directory that this process has open, removed ones too. */
function openIn(dir: string): number {
  return fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir)
    } catch {
      return false // it was closed meanwhile
    }
  }).length
}

const letterIn = async (fd: number) => {
  const bytes = Buffer.alloc(2)
  return bytes.toString('latin1', 0, fs.readSync(fd, bytes, 0, 2, 0))
}

t.test('a file that was read is not opened again for a while, then closed', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { dir, path } = tenFiles(t)
  const files = createOpenFiles()
  const opened = t.capture(fs, 'open', fs.open)
  const both = await Promise.all([files.use(path('a'), letterIn), files.use(path('a'), letterIn)])
  t.same(both, ['a', 'a'])
  mock.timers.tick(5000)
  t.equal(await files.use(path('a'), letterIn), 'a')
  t.equal(opened().length, 1)
  t.equal(openIn(dir), 1)
  mock.timers.tick(5000)
  await until(() => openIn(dir) === 0)
  t.equal(await files.use(path('a'), letterIn), 'a')
  t.equal(opened().length, 1, 'also if it was read all the time')
  files.close()
  await until(() => openIn(dir) === 0)
})

t.test('who reads a file that is replaced reads it to its end, the next one gets the new one', async (t) => {
  const { dir, path } = tenFiles(t)
  const files = createOpenFiles()
  const [open, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const reading = files.use(path('a'), async (fd) => {
    open.resolve()
    await go.promise
    return letterIn(fd)
  })
  await open.promise
  fs.renameSync(path('b'), path('a'))
  files.forget(path('a'))
  t.equal(await files.use(path('a'), letterIn), 'b')
  t.equal(openIn(dir), 2)
  go.resolve()
  t.equal(await reading, 'a')
  await until(() => openIn(dir) === 1)
  files.forget(path('a'))
  await until(() => openIn(dir) === 0)
})

t.test('a file that is replaced while it is opened is not kept open', async (t) => {
  const { dir, path } = tenFiles(t)
  const files = createOpenFiles()
  const reading = files.use(path('a'), letterIn)
  files.forget(path('a'))
  t.equal(await reading, 'a')
  await until(() => openIn(dir) === 0)
})

t.test('a file that is not there yet is looked for again', async (t) => {
  const { path } = tenFiles(t)
  const files = createOpenFiles()
  const both = [0, 1].map(() => t.rejects(files.use(path('new'), letterIn), { code: 'ENOENT' }))
  await Promise.all(both)
  fs.writeFileSync(path('new'), 'n')
  t.equal(await files.use(path('new'), letterIn), 'n')
  files.close()
})

t.test('a file that could not be read is opened anew', async (t) => {
  const { dir, path } = tenFiles(t)
  const files = createOpenFiles()
  t.equal(await files.use(path('a'), letterIn), 'a')
  const opened = t.capture(fs, 'open', fs.open)
  const error = Object.assign(new Error(), { code: 'ESTALE' })
  await t.rejects(
    files.use(path('a'), () => Promise.reject(error)),
    { code: 'ESTALE' },
  )
  t.equal(await files.use(path('a'), letterIn), 'a')
  t.equal(opened().length, 1)
  await until(() => openIn(dir) === 1)
  files.close()
  await until(() => openIn(dir) === 0)
})

t.test('no more than so many are open', async (t) => {
  const { dir, path } = tenFiles(t)
  const files = createOpenFiles(2)
  for (const letter of 'abcdefghij') t.equal(await files.use(path(letter), letterIn), letter)
  await until(() => openIn(dir) <= 4)
  files.close()
  await until(() => openIn(dir) === 0)
})

t.test('when no more can be opened, those that nobody reads are closed', async (t) => {
  const { dir, path } = tenFiles(t)
  const files = createOpenFiles()
  for (const letter of 'abc') await files.use(path(letter), letterIn)
  const { open } = fs
  Object.assign(fs, {
    open: (...args: unknown[]) => {
      const done = args.at(-1) as (error: Error) => void
      setImmediate(done, Object.assign(new Error(), { code: 'EMFILE' }))
    },
  })
  await t.rejects(files.use(path('d'), letterIn), { code: 'EMFILE' })
  Object.assign(fs, { open })
  await until(() => openIn(dir) === 0)
  t.equal(await files.use(path('d'), letterIn), 'd', 'it was not remembered as one that cannot be opened')
  files.close()
})

t.test('a store holds open what it has, not what it had', async (t) => {
  const dir = scratchDirectory(t)
  const store = await createFileStore({ dir, maxBytes: 1e8 })
  await store.recovered
  const get = async (index: number) => bytesOf(await store.getSlice('a', 1, index))
  for (const index of [0, 1]) store.putSlice('a', 1, index, sliceOf(index, 10_000))
  await store.flush()
  const opened = t.capture(fs, 'open', fs.open)
  for (const index of [0, 1, 0, 1]) t.same(await get(index), bytesOf(sliceOf(index, 10_000)))
  t.equal(opened().length, 2)

  store.putSlice('a', 1, 0, sliceOf(7, 9000))
  await store.flush()
  t.same(await get(0), bytesOf(sliceOf(7, 9000)), 'replaced')
  await store.drop('a')
  await until(() => openIn(dir) === 0)
  t.equal(await get(0), undefined)

  store.putSlice('a', 2, 0, sliceOf(1, 10_000))
  await store.flush()
  t.ok(await store.getSlice('a', 2, 0))
  await store.close()
  await until(() => openIn(dir) === 0)
})
