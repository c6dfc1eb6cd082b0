import t from 'tap'
import { createArena } from '../../../lib/stores/slabs.ts'
import { createFakeDevice, type FakeDevice } from './fake-device.ts'

const slab = createArena(256 * 1024).slab(256 * 1024)
const memory = slab.take(slab.bytes)!
const size = 1024 * 1024

/** Aligned memory, `number` of its kind, filled with one byte. */
function page(value: number, number = 0, pages = 1): Buffer {
  return memory.subarray(number * 4096, (number + pages) * 4096).fill(value)
}

async function valueAt(device: FakeDevice, position: number): Promise<number> {
  const into = page(0, 32)
  await device.read(into, position)
  return into[0]
}

t.test('reads zeros, and what was written', async (t) => {
  const device = createFakeDevice({ size })
  t.equal(await valueAt(device, 8192), 0)
  await device.write(page(7), 8192)
  t.equal(await valueAt(device, 8192), 7)
  t.equal(await valueAt(device, 4096), 0)
  t.same(device.violations, [])
})

t.test('takes only what O_DIRECT takes', async (t) => {
  const device = createFakeDevice({ size })
  const refused: [Buffer, number][] = [
    [page(1), 512],
    [page(1).subarray(0, 512), 0],
    [memory.subarray(512, 4608), 0],
    [Buffer.alloc(4096), 0],
    [Buffer.alloc(65536 * 2), 0],
    [page(1), size],
    [page(1), -4096],
  ]
  for (const [buffer, position] of refused) {
    await t.rejects(device.write(buffer, position), { code: 'EINVAL' })
  }
  t.equal(device.violations.length, refused.length)
})

t.test('a power failure loses what was not synced, whole sectors at a time', async (t) => {
  const outcomes = new Set<string>()
  for (let seed = 1; seed < 60; seed++) {
    const device = createFakeDevice({ size })
    await device.write(page(1), 0)
    await device.sync()
    await device.write(page(2), 0)
    await device.write(page(3), 0)
    const next = device.crash(seed)
    const found = page(0, 8)
    await next.read(found, 0)
    for (let at = 0; at < 4096; at += 512) {
      t.ok(found.subarray(at, at + 512).every((each) => each === found[at] && each >= 1 && each <= 3))
    }
    outcomes.add(new Set(found).size > 1 ? 'torn' : String(found[0]))
    await t.rejects(device.write(page(1), 0), { code: 'EIO' })
  }
  t.same([...outcomes].sort(), ['1', '2', '3', 'torn'])
})

t.test('a sync covers what had completed when it began', async (t) => {
  const device = createFakeDevice({ size })
  const late = device.write(page(1), 0)
  const synced = device.sync()
  await Promise.all([late, synced])
  const kept = new Set<number>()
  for (let seed = 1; seed < 30; seed++) kept.add(await valueAt(device.crash(seed), 0))
  t.ok(kept.has(0))
})

t.test('a kill keeps every completed write and tears those under way', async (t) => {
  const outcomes = new Set<string>()
  for (let seed = 1; seed < 40; seed++) {
    const device = createFakeDevice({ size })
    await device.write(page(1), 0)
    device.write(page(2, 1), 4096).catch(() => undefined)
    const next = device.kill(seed)
    t.equal(await valueAt(next, 0), 1)
    const found = page(0, 8)
    await next.read(found, 4096)
    outcomes.add([...new Set(found)].sort().join())
  }
  t.same([...outcomes].sort(), ['0', '0,2', '2'])
})

t.test('writes complete in any order', async (t) => {
  const orders = new Set<string>()
  for (let seed = 1; seed < 20; seed++) {
    const device = createFakeDevice({ size, seed })
    const order: number[] = []
    await Promise.all(
      [0, 1, 2].map((each) => device.write(page(1), each * 4096).then(() => order.push(each))),
    )
    orders.add(order.join())
  }
  t.ok(orders.size > 3)
})

t.test('fails when it is told to', async (t) => {
  const device = createFakeDevice({ size })
  device.fault = ({ kind, nth }) =>
    kind === 'write' ? (nth === 2 ? 'ENOSPC' : undefined) : nth === 1 ? 'SHORT' : 'EIO'
  await device.write(page(1), 0)
  await t.rejects(device.write(page(1), 4096), { code: 'ENOSPC' })
  await t.rejects(device.read(page(1), 0), { code: 'SHORT' })
  await t.rejects(device.read(page(1), 0), { code: 'EIO' })
})

t.test('holds what it is told to hold, and nothing else', async (t) => {
  const device = createFakeDevice({ size })
  device.fault = ({ position }) => (position === 0 ? 'hold' : undefined)
  let done = false
  const held = device.read(page(0, 1), 0).then(() => {
    done = true
  })
  await device.read(page(0, 2), 4096)
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  t.equal(done, false)
  t.equal(device.pending(), 1)
  device.release()
  await held
})

t.test('notes what no device can make up for', async (t) => {
  const changed = createFakeDevice({ size })
  const write = changed.write(page(1), 0)
  page(2)
  await write
  t.match(changed.violations, [/memory was changed/])

  const used = createFakeDevice({ size })
  const read = used.read(page(1), 0)
  page(2)
  await read
  t.match(used.violations, [/memory was used/])

  const over = createFakeDevice({ size })
  await Promise.all([over.write(page(1), 0), over.write(page(1, 0, 2), 0)])
  t.match(over.violations, [/over one/])

  const closed = createFakeDevice({ size })
  await closed.close()
  await t.rejects(closed.read(page(1), 0), { code: 'EBADF' })
  t.match(closed.violations, [/after close/])
})
