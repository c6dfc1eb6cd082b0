import fc from 'fast-check'
import t from 'tap'
import { createReadAhead } from '../../../lib/stores/raw-disk/sequence.ts'
import type { Slice, SlicePart } from '../../../lib/stores/store.ts'

const SIZE = 1000

/** A disk whose reads end when the test says so, and which counts what it has lent. */
function scriptedDisk(missing: readonly number[] = []) {
  const reads: number[] = []
  const parts: (SlicePart | undefined)[] = []
  const waiting: { index: number; end(): void }[] = []
  let lent = 0

  function slice(index: number): Slice | undefined {
    if (missing.includes(index)) return undefined
    lent++
    let isLent = true
    const releaseAll = () => {
      if (isLent) lent--
      isLent = false
    }
    return { length: SIZE, segments: [Buffer.alloc(SIZE, index)], loan: { release: releaseAll, releaseAll } }
  }

  return {
    reads,
    waiting,
    /** What was asked for with each read. */
    parts,
    lent: () => lent,
    read(index: number, part?: SlicePart): Promise<Slice | undefined> {
      reads.push(index)
      parts.push(part)
      return new Promise((resolve) => waiting.push({ index, end: () => resolve(slice(index)) }))
    },
    /** Answers at once. */
    readNow(index: number): Slice | undefined {
      reads.push(index)
      return slice(index)
    },
    async endAll(): Promise<void> {
      while (waiting.length > 0) waiting.shift()!.end()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

const all = () => true

t.test('it begins with the second slice in a row, and its window grows while it is used', async (t) => {
  const disk = scriptedDisk()
  const readAhead = createReadAhead({ maxBytes: 100 * SIZE, sliceBytes: SIZE })
  const sequence = readAhead.open({ read: disk.readNow, has: all, last: 100 })
  const readsOf = (index: number) => {
    const before = disk.reads.length
    const got = sequence.get(index) as Slice
    t.equal(got.segments[0][0], index, `slice ${index}`)
    got.loan!.releaseAll()
    return disk.reads.slice(before)
  }
  t.same([0, 1, 2, 3, 4, 5, 6].map(readsOf), [[0], [1, 2], [3, 4], [5, 6], [7, 8], [9], [10]])
  t.same(readAhead.figures(), { slices: 9, used: 5, wasted: 0, bytes: 4 * SIZE })
  sequence.close()
  t.same(readAhead.figures(), { slices: 9, used: 5, wasted: 4, bytes: 0 })
  t.equal(disk.lent(), 0)
})

t.test('a slice that is being read ahead is waited for, not read again', async (t) => {
  const disk = scriptedDisk()
  const sequence = createReadAhead({ maxBytes: 10 * SIZE, sliceBytes: SIZE }).open({
    read: disk.read,
    has: all,
    last: 9,
  })
  for (const index of [0, 1]) {
    const slice = sequence.get(index)
    await disk.endAll()
    ;(await slice)!.loan!.releaseAll()
    if (index === 0) t.same(disk.reads, [0])
  }
  t.same(disk.reads, [0, 1, 2])
  sequence.get(2)
  t.same(disk.reads, [0, 1, 2, 3, 4])
  let arrived = false
  const three = Promise.resolve(sequence.get(3)).then((slice) => {
    arrived = true
    return slice
  })
  t.equal(disk.reads.filter((index) => index === 3).length, 1)
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(arrived)
  await disk.endAll()
  t.equal((await three)!.segments[0][0], 3)
})

t.test('nothing is read behind the last slice, nor behind one that is missing', async (t) => {
  const open = (missing: number[], last: number) => {
    const disk = scriptedDisk(missing)
    const sequence = createReadAhead({ maxBytes: 100 * SIZE, sliceBytes: SIZE }).open({
      read: disk.readNow,
      has: (index) => !missing.includes(index),
      last,
    })
    for (let index = 0; index < 4; index++) sequence.get(index)
    return disk.reads
  }
  t.same(open([], 4), [0, 1, 2, 3, 4])
  t.same(open([], 2), [0, 1, 2, 3])
  t.same(open([5], 9), [0, 1, 2, 3, 4])
})

t.test('a jump, back or far ahead, drops what was read ahead, also what is still being read', async (t) => {
  for (const to of [0, 50]) {
    const disk = scriptedDisk()
    const readAhead = createReadAhead({ maxBytes: 100 * SIZE, sliceBytes: SIZE })
    const sequence = readAhead.open({ read: disk.readNow, has: all, last: 100 })
    for (let index = 0; index < 5; index++) (sequence.get(index) as Slice).loan!.releaseAll()
    const { slices, used } = readAhead.figures()
    t.equal(slices - used, 4)
    ;(sequence.get(to) as Slice).loan!.releaseAll()
    t.match(readAhead.figures(), { wasted: 4, bytes: 0 })
    t.equal(disk.lent(), 0)
    ;(sequence.get(to + 1) as Slice).loan!.releaseAll()
    t.equal(disk.reads.at(-1), to + 2, 'and begins again, with one slice')
    t.equal(disk.lent(), 1)
  }

  const disk = scriptedDisk()
  const readAhead = createReadAhead({ maxBytes: 100 * SIZE, sliceBytes: SIZE })
  const sequence = readAhead.open({ read: disk.read, has: all, last: 100 })
  const asked = [sequence.get(0), sequence.get(1), sequence.get(70)]
  t.match(readAhead.figures(), { slices: 1, wasted: 1, bytes: SIZE }, 'in use until the read has ended')
  await disk.endAll()
  for (const slice of await Promise.all(asked)) slice!.loan!.releaseAll()
  t.equal(readAhead.figures().bytes, 0)
  t.equal(disk.lent(), 0)
})

t.test('slices that the reader found elsewhere are left out, and the run goes on', async (t) => {
  const disk = scriptedDisk()
  const readAhead = createReadAhead({ maxBytes: 100 * SIZE, sliceBytes: SIZE })
  const sequence = readAhead.open({ read: disk.readNow, has: all, last: 100 })
  for (const index of [0, 1, 2, 3]) sequence.get(index)
  const reads = disk.reads.length
  const slice = sequence.get(6) as Slice
  t.equal(slice.segments[0][0], 6)
  t.notOk(disk.reads.slice(reads).includes(6))
  t.match(readAhead.figures(), { wasted: 2 })
})

t.test('closing drops what is being read ahead, and what is asked for after that is read', async (t) => {
  const disk = scriptedDisk()
  const readAhead = createReadAhead({ maxBytes: 100 * SIZE, sliceBytes: SIZE })
  const sequence = readAhead.open({ read: disk.read, has: all, last: 100 })
  const asked = [sequence.get(0), sequence.get(1)]
  sequence.close()
  sequence.close()
  asked.push(sequence.get(2))
  t.same(disk.reads, [0, 1, 2, 2])
  await disk.endAll()
  for (const slice of await Promise.all(asked)) slice!.loan!.releaseAll()
  t.equal(disk.lent(), 0)
  t.same(readAhead.figures(), { slices: 1, used: 0, wasted: 1, bytes: 0 })
})

t.test('a part is asked for as a part, and of a slice that was read ahead more is given', async (t) => {
  const disk = scriptedDisk()
  const sequence = createReadAhead({ maxBytes: 10 * SIZE, sliceBytes: SIZE }).open({
    read: disk.read,
    has: all,
    last: 9,
  })
  const part = { from: 10, to: 20 }
  void sequence.get(0, part)
  void sequence.get(1)
  const two = sequence.get(2, part)
  t.same(disk.parts, [part, undefined, undefined, undefined, undefined])
  await disk.endAll()
  t.equal((await two)!.length, SIZE)
})

t.test(
  'what a slice has is learnt from the first whole one: more may be read than was guessed',
  async (t) => {
    const disk = scriptedDisk()
    const readAhead = createReadAhead({ maxBytes: 4 * SIZE, sliceBytes: 4 * SIZE })
    const sequence = readAhead.open({ read: disk.readNow, has: all, last: 100 })
    for (let index = 0; index < 5; index++) sequence.get(index)
    t.match(readAhead.figures(), { bytes: 4 * SIZE, slices: 7 })
  },
)

t.test('a window that finds no room does not grow', async (t) => {
  const disk = scriptedDisk()
  const readAhead = createReadAhead({ maxBytes: 5 * SIZE, sliceBytes: SIZE })
  const first = readAhead.open({ read: disk.readNow, has: all, last: 100 })
  for (let index = 0; index < 5; index++) first.get(index)
  t.equal(readAhead.figures().bytes, 4 * SIZE)
  const second = readAhead.open({ read: disk.readNow, has: all, last: 100 })
  for (let index = 0; index < 9; index++) second.get(index)
  t.equal(readAhead.figures().bytes, 5 * SIZE)
  first.close()
  const readsOf = (index: number) => {
    const before = disk.reads.length
    second.get(index)
    return disk.reads.slice(before)
  }
  t.same([9, 10, 11].map(readsOf), [
    [10, 11],
    [12, 13],
    [14, 15],
  ])
})

t.test('responses at random: never too far, never too much, and everything is given back', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant<'next'>('next') },
    { weight: 1, arbitrary: fc.constant<'skip'>('skip') },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 }) },
    { weight: 1, arbitrary: fc.constant<'reopen'>('reopen') },
    { weight: 2, arbitrary: fc.constant<'end a read'>('end a read') },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(2), step, fc.nat(100)), { maxLength: 120 }),
      fc.integer({ min: 0, max: 8 }),
      fc.uniqueArray(fc.nat(40)),
      fc.nat(40),
      async (steps, room, missing, last) => {
        const disk = scriptedDisk(missing)
        const maxBytes = room * SIZE
        const readAhead = createReadAhead({ maxBytes, sliceBytes: SIZE })
        let at = -1
        /** For each response, the furthest slice that was read and not asked for. */
        let furthest: number[] = []
        const open = (who: number) =>
          readAhead.open({
            has: (index) => index % 7 !== 5,
            last,
            read(index, part) {
              if (index !== at) furthest[who] = Math.max(furthest[who] ?? 0, index)
              return disk.read(index, part)
            },
          })
        const sequences = [open(0), open(1), open(2)]
        const places = [-1, -1, -1]
        const asked: (Slice | undefined | Promise<Slice | undefined>)[] = []
        for (const [who, what, which] of steps) {
          if (what === 'end a read') {
            disk.waiting.splice(which % (disk.waiting.length || 1), 1)[0]?.end()
            await new Promise((resolve) => setImmediate(resolve))
          } else if (what === 'reopen') {
            sequences[who].close()
            sequences[who] = open(who)
          } else {
            at = what === 'next' ? places[who] + 1 : what === 'skip' ? places[who] + 3 : what
            places[who] = at
            furthest = []
            asked.push(sequences[who].get(at))
            if ((furthest[who] ?? 0) > Math.min(Math.max(at, last), at + 4)) return false
          }
          const { slices, used, wasted, bytes } = readAhead.figures()
          if (bytes > maxBytes || bytes < (slices - used - wasted) * SIZE) return false
        }
        for (const sequence of sequences) sequence.close()
        const { slices, used, wasted } = readAhead.figures()
        if (slices !== used + wasted) return false
        await disk.endAll()
        for (const slice of await Promise.all(asked)) slice?.loan?.releaseAll()
        return disk.lent() === 0 && readAhead.figures().bytes === 0
      },
    ),
  )
})
