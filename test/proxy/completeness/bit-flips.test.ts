import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

const S = 64 * 1024
const file = bytesOf(5, 4 * S + 99)

/** Every stored file of a cache directory. */
function storedFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(heads|slice)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

function flipBit(path: string, share: number): void {
  const bytes = readFileSync(path)
  bytes[Math.min(bytes.length - 1, Math.floor(bytes.length * share))] ^= 0x10
  writeFileSync(path, bytes)
}

/** A proxy that has a file on the disk only. */
async function startWarm(t: Test) {
  const origin = await fileOrigin(t, { '/f': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l1: 0, l2: 64 * 1024 * 1024 })
  const fill = async () => {
    const answer = await get(`${proxy.url}/f`)
    t.ok(answer.complete && answer.body.equals(file))
    await proxy.l2!.flush()
  }
  await fill()
  const before = origin.requests.length
  await fill()
  t.equal(origin.requests.length, before, 'warm')
  return { origin, proxy, fill }
}

// Positions in the file: the header, the key, the beginning, the middle and the end of the payload.
const SHARES = [0, 0.0002, 0.0008, 0.5, 1]

t.test('A9: a flipped bit on the disk is found while running: refetched, never served', async (t) => {
  const { origin, proxy, fill } = await startWarm(t)
  const names = storedFiles(proxy.dir).sort()
  t.equal(names.length, 1 + 5, 'heads and five slices')
  for (const name of names) {
    for (const share of SHARES) {
      const before = { requests: origin.requests.length, corrupt: proxy.l2!.stats().corrupt }
      const present = storedFiles(proxy.dir)
      const target = present.find((each) => each === name) ?? present[0]
      flipBit(target, share)
      await fill()
      t.equal(proxy.l2!.stats().corrupt, before.corrupt + 1, `${share} of ${target.slice(-20)}: counted`)
      t.ok(origin.requests.length > before.requests, 'and fetched again')
      await fill()
    }
  }
})

t.test('A9: and after a restart', async (t) => {
  const { origin, proxy, fill } = await startWarm(t)
  for (const share of SHARES) {
    for (const name of storedFiles(proxy.dir)) flipBit(name, share)
    const before = origin.requests.length
    await proxy.restart()
    await fill()
    t.ok(origin.requests.length > before)
    await fill()
  }
})

t.test('A9: with the origin gone a damaged slice is an error or a cut, never wrong bytes', async (t) => {
  const { origin, proxy } = await startWarm(t)
  await origin.stop()
  t.ok((await get(`${proxy.url}/f`)).body.equals(file), 'undamaged, it is served without the origin')
  const slices = storedFiles(proxy.dir).filter((name) => name.endsWith('.slice'))
  for (const [index, name] of slices.reverse().entries()) {
    flipBit(name, 0.5)
    const answer = await get(`${proxy.url}/f`)
    t.ok(answer.status === 502 || !answer.complete, `slice ${index}`)
    if (answer.status === 200) t.ok(answer.body.equals(file.subarray(0, answer.length)))
  }
})
