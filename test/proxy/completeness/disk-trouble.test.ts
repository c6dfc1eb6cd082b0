import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { tempDir } from '../../helpers/scope.ts'

const S = 64 * 1024
const L2 = 64 * 1024 * 1024
const files = Object.fromEntries(
  Array.from({ length: 12 }, (_, i) => [`/${i}`, bytesOf(200 + i, 3 * S + i * 5000)]),
)

/** A directory that is a file system of its own; undefined where mounting is not permitted. */
function mountTmpfs(t: Test, options: string): string | undefined {
  const dir = tempDir(t)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]).status !== 0) return undefined
  t.teardown(() => spawnSync('umount', ['-l', dir]))
  return dir
}

/** The disk fails while clients ask: each gets its bytes, and the store counts what was lost. */
async function clientsUnharmed(t: Test, dir: string, spoil: () => void, l1 = 0) {
  const origin = await fileOrigin(t, files)
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l1, l2: L2, dir })
  const askAll = async (when: string) => {
    for (const [path, file] of Object.entries(files)) {
      const answer = await get(proxy.url + path)
      t.match(answer, { status: 200, complete: true }, `${path} ${when}`)
      t.ok(answer.body.equals(file), `${path} ${when}`)
    }
    await proxy.l2!.flush()
  }
  spoil()
  await askAll('cold')
  await askAll('again')
  const part = await get(`${proxy.url}/1`, { range: `bytes=${S - 10}-${S + 9}` })
  t.ok(part.status === 206 && part.body.equals(files['/1'].subarray(S - 10, S + 10)))
  const stats = proxy.l2!.stats()
  t.ok(stats.writeErrors + stats.refused > 0, `${stats.writeErrors} write errors, ${stats.refused} refused`)
  return { origin, proxy, stats, askAll }
}

t.test('A8, H60: a disk without room (ENOSPC)', async (t) => {
  // No inodes are left although there is room in bytes: the store finds out by writing.
  const dir = mountTmpfs(t, 'size=200m,nr_inodes=14')
  if (dir === undefined) return t.pass('', { skip: 'mounting is not permitted' })
  const { stats } = await clientsUnharmed(t, dir, () => {})
  t.ok(stats.writeErrors > 0)
})

t.test('A8, H60: a disk that others have filled', async (t) => {
  const dir = mountTmpfs(t, 'size=2m')
  if (dir === undefined) return t.pass('', { skip: 'mounting is not permitted' })
  const { stats } = await clientsUnharmed(t, dir, () => {})
  t.ok(stats.refused > 0)
})

t.test('A8, H60: a disk that becomes read-only (EROFS), and writable again', async (t) => {
  const dir = mountTmpfs(t, 'size=200m')
  if (dir === undefined) return t.pass('', { skip: 'mounting is not permitted' })
  const remount = (how: string) => t.equal(spawnSync('mount', ['-o', `remount,${how}`, dir]).status, 0)
  const { stats } = await clientsUnharmed(t, dir, () => remount('ro'))
  t.ok(stats.writeErrors > 0)
  t.equal(stats.entries, 0, 'what was not written is not in the index')
  remount('rw')
})

t.test('A8, H60: a directory that is removed while running', async (t) => {
  const dir = tempDir(t)
  const origin = await fileOrigin(t, files)
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l1: 0, l2: L2, dir })
  for (const path of Object.keys(files)) await get(proxy.url + path)
  await proxy.l2!.flush()
  rmSync(dir, { recursive: true })
  for (const turn of ['first', 'second']) {
    for (const [path, file] of Object.entries(files)) {
      const answer = await get(proxy.url + path)
      t.ok(answer.complete && answer.body.equals(file), `${path}, ${turn} time`)
    }
    await proxy.l2!.flush()
  }
  t.ok(proxy.l2!.stats().readErrors + proxy.l2!.stats().writeErrors + proxy.l2!.stats().entries > 0)
})

t.test('A8: a file where the directories should be (ENOTDIR)', async (t) => {
  const dir = tempDir(t)
  const { proxy } = await clientsUnharmed(t, dir, () => {
    for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true })
    for (let i = 0; i < 256; i++) writeFileSync(join(dir, i.toString(16).padStart(2, '0')), '')
    writeFileSync(join(dir, 'tmp'), '')
  })
  t.ok(proxy.l2!.stats().writeErrors > 0)
})

t.test('A8: slices that no store takes go to their clients all the same, each fetched once', async (t) => {
  const dir = tempDir(t)
  const file = bytesOf(250, 3 * S + 5)
  const origin = await fileOrigin(t, { '/f': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l1: 0, l2: L2, dir })
  rmSync(dir, { recursive: true })
  writeFileSync(dir, 'not a directory')
  for (let turn = 1; turn <= 8; turn++) {
    // The short last slice arrives whole with its response head, before anybody can follow it.
    const ranges = { range: `bytes=0-199,${3 * S}-` }
    const answers = await Promise.all([get(`${proxy.url}/f`, ranges), get(`${proxy.url}/f`, ranges)])
    for (const answer of answers) {
      t.match(answer, { status: 206, complete: true })
      t.ok(answer.body.includes(file.subarray(0, 200)) && answer.body.includes(file.subarray(3 * S)))
    }
    await proxy.l2!.flush()
  }
  t.ok(origin.requests.length <= 8 * 4, `${origin.requests.length} upstream requests`)
})

t.test('A8: with memory in front a broken disk costs the hits nothing', async (t) => {
  const dir = tempDir(t)
  const { origin, proxy } = await clientsUnharmed(
    t,
    dir,
    () => {
      rmSync(dir, { recursive: true })
      writeFileSync(dir, 'not a directory')
    },
    L2,
  )
  t.equal(origin.requests.length, Object.keys(files).length, 'each fetched once')
  t.equal(proxy.counters.l1Hits, Object.keys(files).length + 1)
})
