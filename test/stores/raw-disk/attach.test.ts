import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { attach, type Contents, contentsOf } from '../../../lib/stores/raw-disk/attach.ts'
import { encodeSuperblock, type Superblock } from '../../../lib/stores/raw-disk/format/superblock.ts'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import { pageAligned } from '../../../lib/stores/slabs.ts'
import { createFakeDevice, type FakeDevice } from './fake-device.ts'

const MIB = 1024 * 1024
const totalSize = 16 * MIB
const geometry = geometryOf({ totalSize, blockSize: 4096, sliceSize: 65536 })
const [A, B] = geometry.superblocks

const foreign = { code: 'FOREIGN', path: 'fake', message: /^fake holds something else .*format: true/ }

async function write(device: FakeDevice, position: number, content: Buffer | string): Promise<void> {
  const bytes = Buffer.from(content)
  const start = position - (position % 4096)
  const page = pageAligned(4096 * Math.ceil((position + bytes.length - start) / 4096))
  await device.read(page, start)
  bytes.copy(page, position - start)
  await device.write(page, start)
}

/** A device that was ours, its superblocks with these changes. */
async function ours(a: Partial<Superblock> = {}, b: Partial<Superblock> = a): Promise<FakeDevice> {
  const device = createFakeDevice({ size: totalSize })
  const superblock = await attach(device, geometry, { format: false })
  await write(device, A, encodeSuperblock({ ...superblock, ...a }))
  await write(device, B, encodeSuperblock({ ...superblock, ...b }))
  return device
}

async function bytesAt(device: FakeDevice, position: number, length: number): Promise<Buffer> {
  const bytes = pageAligned(length)
  await device.read(bytes, position)
  return bytes
}

function ear() {
  const told: string[] = []
  const tell = (_: object, message: string) => void told.push(message)
  return { told, log: { info: tell, warn: tell } }
}

t.test('a blank device becomes ours, durably, before anybody writes to it', async (t) => {
  const device = createFakeDevice({ size: totalSize })
  const { told, log } = ear()
  const superblock = await attach(device, geometry, { format: false, log })
  t.match(superblock, {
    totalSize,
    blockSize: 4096,
    regionSize: geometry.regionSize,
    serial: 1,
    sequence: 1,
    clean: false,
    snapshot: null,
  })
  t.equal(superblock.uuid.length, 16)
  t.same(await attach(device.crash(1), geometry, { format: false }), superblock, 'after a power failure')
  t.same(told, [])
  t.same(device.violations, [])
})

t.test('two devices that were made ours have two uuids', async (t) => {
  const a = await attach(createFakeDevice({ size: totalSize }), geometry, { format: false })
  const b = await attach(createFakeDevice({ size: totalSize }), geometry, { format: false })
  t.notSame(a.uuid, b.uuid)
})

t.test('the superblock with the higher serial counts', async (t) => {
  const a = await ours({ serial: 8, sequence: 80 }, { serial: 9, sequence: 90 })
  t.match(await attach(a, geometry, { format: false }), { serial: 9, sequence: 90 })
  const b = await ours({ serial: 10, sequence: 100 }, { serial: 9, sequence: 90 })
  t.match(await attach(b, geometry, { format: true }), { serial: 10 }, 'format leaves what is ours')
})

t.test('one superblock torn, damaged or unreadable: the other one counts', async (t) => {
  for (const [at, other] of [
    [A, { serial: 9 }],
    [B, { serial: 10 }],
  ] as const) {
    const torn = await ours({ serial: 10 }, { serial: 9 })
    await write(torn, at + 512, Buffer.alloc(512, 7))
    t.match(await attach(torn, geometry, { format: false }), other)

    const flipped = await ours({ serial: 10 }, { serial: 9 })
    for (const byte of [0, 3, 20, 40]) flipped.flip(at + byte, 2)
    t.match(await attach(flipped, geometry, { format: false }), other, 'bits of the magic too')

    const broken = await ours({ serial: 10 }, { serial: 9 })
    broken.fault = ({ kind, position, length }) =>
      kind === 'read' && position <= at && at < position + length ? 'EIO' : undefined
    t.match(await attach(broken, geometry, { format: false }), other)
  }
})

t.test('no superblock can be read: the error of the device, and nothing is written', async (t) => {
  const device = await ours()
  const writes = device.counts.write
  device.fault = ({ kind }) => (kind === 'read' ? 'EIO' : undefined)
  await t.rejects(attach(device, geometry, { format: true }), { code: 'EIO' })
  t.equal(device.counts.write, writes)
})

t.test('one place cannot be read, the other is empty: nobody knows whose it is', async (t) => {
  const device = createFakeDevice({ size: totalSize })
  await write(device, 4096, 'somebody else')
  device.fault = ({ kind, position }) => (kind === 'read' && position === A ? 'EIO' : undefined)
  await t.rejects(attach(device, geometry, { format: false }), { code: 'EIO' })
})

t.test('both superblocks damaged: starts empty, with one line', async (t) => {
  const device = await ours({ serial: 5 })
  device.flip(A + 20, 0)
  device.flip(B + 50, 0)
  const { told, log } = ear()
  t.match(await attach(device, geometry, { format: false, log }), { serial: 1, snapshot: null })
  t.same(told, ['the raw disk starts empty: its superblocks are damaged'])
})

t.test(
  'another geometry: starts empty with another uuid, with one line that says what changed',
  async (t) => {
    const changes = [
      {
        o: { totalSize: 12 * MIB },
        line: /^the raw disk starts empty: total_size was 16777216, is 12582912;/,
      },
      { o: { blockSize: 8192 }, line: /: block_size was 4096, is 8192/ },
      { o: { sliceSize: 262144 }, line: /: region size was \d+, is \d+$/ },
    ]
    for (const { o, line } of changes) {
      const snapshot = { area: 0, sequence: 3, entries: 1, chunks: 1 } as const
      const device = await ours({ serial: 7, sequence: 70, clean: true, snapshot })
      const before = await attach(device, geometry, { format: false })
      const { told, log } = ear()
      const other = geometryOf({ totalSize, blockSize: 4096, sliceSize: 65536, ...o })
      const superblock = await attach(device, other, { format: false, log })
      t.match(superblock, {
        serial: 1,
        sequence: 1,
        clean: false,
        snapshot: null,
        regionSize: other.regionSize,
      })
      t.notSame(superblock.uuid, before.uuid)
      t.equal(told.length, 1)
      t.match(told[0], line)
      t.same(await attach(device, other, { format: false }), superblock)
    }
  },
)

t.test('another version of the format: starts empty, with one line', async (t) => {
  const device = await ours()
  for (const at of [A, B]) {
    const bytes = await bytesAt(device, at, 4096)
    bytes.writeUInt32LE(77, 8)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 4092)), 4092)
    await device.write(bytes, at)
  }
  const { told, log } = ear()
  t.match(await attach(device, geometry, { format: false, log }), { serial: 1 })
  t.same(told, ['the raw disk starts empty: its format was version 77, is 2'])
})

t.test('something else is left as it is, wherever it shows', async (t) => {
  const places = [0, 1080, 4096, 65536, 300_000, MIB - 1, totalSize - MIB, totalSize - 1]
  for (const place of places) {
    const device = createFakeDevice({ size: totalSize })
    await write(device, place, 'x')
    const writes = device.counts.write
    await t.rejects(attach(device, geometry, { format: false }), foreign, `at ${place}`)
    t.equal(device.counts.write, writes)
  }
})

t.test('data that is in every 64th part between the ends is seen', async (t) => {
  const device = createFakeDevice({ size: totalSize })
  await write(device, 4 * MIB, Buffer.alloc(totalSize / 64, 1))
  await t.rejects(attach(device, geometry, { format: false }), foreign)
})

t.test('what was laid over a part of a device of ours is not ours', async (t) => {
  // Where file systems, volume managers and RAIDs have their marks, and what they leave of us around them.
  const marks: Record<string, [number, Buffer]> = {
    'ext4, first blocks': [0, Buffer.alloc(8192, 0x53)],
    'a file system that begins with other bytes': [
      0,
      Buffer.concat([Buffer.from('XFSB'), Buffer.alloc(508, 3)]),
    ],
    'LVM, which clears the first sectors': [
      0,
      Buffer.concat([Buffer.alloc(512), Buffer.from('LABELONE'), Buffer.alloc(1528)]),
    ],
    'md, 4 KiB in': [4096, Buffer.alloc(300, 9)],
    'ZFS, 16 KiB in': [16384, Buffer.alloc(100_000, 5)],
    'btrfs, 64 KiB in': [65536, Buffer.alloc(4096, 6)],
  }
  for (const [name, [at, bytes]] of Object.entries(marks)) {
    const device = await ours({ serial: 4 })
    await write(device, at, bytes)
    const writes = device.counts.write
    await t.rejects(attach(device, geometry, { format: false }), foreign, name)
    t.equal(device.counts.write, writes)
  }
})

t.test('format: true takes what is not ours, and says so', async (t) => {
  const device = createFakeDevice({ size: totalSize })
  await write(device, 0, 'somebody else')
  await write(device, 100_000, Buffer.alloc(1000, 1))
  const { told, log } = ear()
  const superblock = await attach(device, geometry, { format: true, log })
  t.equal(told.length, 1)
  t.same(await attach(device, geometry, { format: false }), superblock, 'ours from now on')
})

t.test('what fails while it becomes ours is told, and it stays refused or blank', async (t) => {
  for (const kind of ['write', 'sync'] as const) {
    const device = createFakeDevice({ size: totalSize })
    device.fault = (operation) => (operation.kind === kind ? 'EIO' : undefined)
    await t.rejects(attach(device, geometry, { format: false }), { code: 'EIO' })
  }
})

t.test('a power failure while it becomes ours leaves a device that can become ours', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const device = await ours({ serial: 6 })
    device.fault = ({ kind }) => (kind === 'sync' ? 'hold' : undefined)
    const other = geometryOf({ totalSize, blockSize: 8192, sliceSize: 65536 })
    const cut = attach(device, other, { format: false }).catch(() => {})
    while (device.pending() === 0 || device.counts.sync < 2) await new Promise(setImmediate)
    const next = device.crash(seed)
    await cut
    const superblock = await attach(next, other, { format: false })
    t.match(superblock, { blockSize: 8192, serial: 1 })
    t.same(await attach(next, other, { format: false }), superblock)
  }
})

t.test('random bytes are never taken for ours, nor for blank', async (t) => {
  const size = 3 * MIB
  const places = fc.array(
    fc.record({
      at: fc.oneof(
        // Whole in the first MiB or in the last: of what lies between, samples are looked at.
        fc.nat(MIB - 200),
        fc.nat(MIB - 200).map((at) => size - 200 - at),
      ),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }).filter((bytes) => bytes.some(Boolean)),
    }),
    { minLength: 1, maxLength: 5 },
  )
  const zeros = Buffer.alloc(size)
  const edge = new Uint8Array(200).fill(1, 199)
  await fc.assert(
    fc.asyncProperty(places, async (places) => {
      const device = createFakeDevice({ size })
      for (const { at, bytes } of places) await write(device, at, Buffer.from(bytes))
      const { kind }: Contents = await contentsOf(device)
      // Later bytes may be zeros over earlier ones.
      const all = await bytesAt(device, 0, size)
      return kind === (all.equals(zeros) ? 'blank' : 'foreign')
    }),
    { numRuns: 30, examples: [[[{ at: MIB - 200, bytes: edge }]], [[{ at: 2 * MIB, bytes: edge }]]] },
  )
  t.pass()
})
