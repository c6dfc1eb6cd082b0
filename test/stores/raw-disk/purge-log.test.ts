import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { PURGE_RECORD_BYTES, type PurgeRecord } from '../../../lib/stores/raw-disk/format/purge.ts'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import {
  createPurgeLog,
  type FoundPurges,
  type PurgeLog,
  type PurgePlace,
  readPurges,
} from '../../../lib/stores/raw-disk/purge-log.ts'
import { createArena } from '../../../lib/stores/slabs.ts'
import { createRandom, type Random } from '../../helpers/random.ts'
import { createFakeDevice, type FakeDevice, type Fault, type Operation } from './fake-device.ts'

const MIB = 2 ** 20
const SALT = 0x1234abcd
/** Halves of 16 KiB. */
const geometry = geometryOf({ totalSize: 8 * MIB, blockSize: 4096, sliceSize: 65536 })
const HALF_RECORDS = geometry.purgeLog[0].bytes / PURGE_RECORD_BYTES

const arena = createArena(64 * MIB)
const memory = arena.slab(60 * MIB, { poison: true })

function purge(sequence: number): PurgeRecord {
  return { kind: 'object', objectLow: sequence * 7, objectHigh: sequence, sequence }
}

function open(device: FakeDevice, after: PurgePlace | null = null, onFull: () => void = () => {}): PurgeLog {
  return createPurgeLog({ device, geometry, salt: SALT, memory, after, onFull })
}

function read(device: FakeDevice, since = 0, salt = SALT): Promise<FoundPurges> {
  return readPurges({ device, geometry, salt, memory, since })
}

function sequencesOf({ records }: FoundPurges): number[] {
  return records.map(({ sequence }) => sequence).sort((a, b) => a - b)
}

function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at)
}

async function appendAll(log: PurgeLog, sequences: number[]): Promise<void> {
  await Promise.all(sequences.map((sequence) => log.append(purge(sequence))))
}

function newDevice(fault?: (operation: Operation) => Fault | undefined): FakeDevice {
  const device = createFakeDevice({ size: geometry.totalSize })
  device.fault = fault
  return device
}

/** Whether a promise is settled by what is under way on the device. */
async function settles(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  promise.finally(() => (settled = true)).catch(() => {})
  for (let turn = 0; turn < 30; turn++) await nextTurn()
  return settled
}

t.test('a purge that was answered survives a loss of power', async (t) => {
  const device = newDevice()
  const log = open(device)
  const records: PurgeRecord[] = [
    { kind: 'object', objectLow: 0xffffffff, objectHigh: 1, sequence: 2 ** 40 },
    { kind: 'heads', objectLow: 2, objectHigh: 0xfffffffe, sequence: 2 ** 40 + 1 },
    { kind: 'all', objectLow: 0, objectHigh: 0, sequence: 2 ** 40 + 2 },
  ]
  for (const record of records) await log.append(record)
  for (let seed = 1; seed <= 20; seed++) {
    const found = await read(device.crash(seed))
    t.strictSame(found, { records, after: { half: 0, block: 0 }, damaged: 0 })
  }
})

t.test('it is answered after it was written and synced, not before', async (t) => {
  const device = newDevice(() => 'hold')
  const answered = open(device).append(purge(1))
  t.notOk(await settles(answered))
  t.equal(device.counts.write, 1)
  t.equal(device.counts.sync, 0, 'nothing is synced before it is written')
  device.release()
  t.notOk(await settles(answered))
  t.equal(device.counts.sync, 1)
  device.release()
  t.ok(await settles(answered))
})

t.test('many purges share one write and one sync', async (t) => {
  const device = newDevice(({ kind, nth }) => (kind === 'write' && nth === 1 ? 'hold' : undefined))
  const log = open(device)
  const first = appendAll(log, upTo(100))
  await nextTurn()
  const second = appendAll(log, upTo(200, 101))
  t.notOk(await settles(second))
  device.release()
  await Promise.all([first, second])
  t.strictSame(device.counts, { read: 0, write: 2, sync: 2 })
  t.strictSame(sequencesOf(await read(device)), upTo(200))
})

t.test('more than one write can take is written in several', async (t) => {
  const wide = geometryOf({ totalSize: 1024 * MIB, blockSize: 65536, sliceSize: MIB })
  const device = createFakeDevice({ size: wide.totalSize })
  const all = { device, geometry: wide, salt: SALT }
  const log = createPurgeLog({ ...all, memory, after: null, onFull: () => {} })
  await appendAll(log, upTo(5000))
  t.ok(device.counts.write >= 3, 'no write is over 64 KiB')
  const found = await readPurges({ ...all, memory, since: 0 })
  t.strictSame(sequencesOf(found), upTo(5000))
  t.strictSame(device.violations, [])
})

t.test('a full half is left for the other one, and the store told', async (t) => {
  let calls = 0
  const device = newDevice()
  const log = open(device, null, () => calls++)
  t.equal(log.fillShare, 0)
  await appendAll(log, upTo(HALF_RECORDS / 2))
  t.equal(log.fillShare, 0.5)
  await appendAll(log, upTo(HALF_RECORDS, HALF_RECORDS / 2 + 1))
  t.equal(log.fillShare, 1)
  t.equal(calls, 0)
  await log.append(purge(HALF_RECORDS + 1))
  t.equal(calls, 1)
  t.equal(log.fillShare, 1 / HALF_RECORDS)
  const found = await read(device)
  t.strictSame(sequencesOf(found), upTo(HALF_RECORDS + 1), 'nothing is overwritten')
  t.strictSame(found.after, { half: 1, block: 0 })
})

t.test('when both halves are full purges wait for the checkpoint, and the store is told once', async (t) => {
  let calls = 0
  const device = newDevice()
  const log = open(device, null, () => calls++)
  await appendAll(log, upTo(2 * HALF_RECORDS))
  const waiting = appendAll(log, upTo(2 * HALF_RECORDS + 5, 2 * HALF_RECORDS + 1))
  t.notOk(await settles(waiting))
  const later = log.append(purge(2 * HALF_RECORDS + 6))
  t.notOk(await settles(later))
  t.equal(calls, 2, 'once for the change of halves, once for waiting')
  t.strictSame(sequencesOf(await read(device)), upTo(2 * HALF_RECORDS), 'nothing is overwritten')

  log.turn().release()
  await Promise.all([waiting, later])
  t.strictSame(
    sequencesOf(await read(device, HALF_RECORDS)),
    upTo(2 * HALF_RECORDS + 6, HALF_RECORDS + 1),
    'the half that the checkpoint has seen is written to, the other one is whole',
  )
})

t.test(
  'what is purged during a checkpoint goes to the other half, and is not forgotten with it',
  async (t) => {
    const device = newDevice()
    const log = open(device)
    await appendAll(log, upTo(10))
    const checkpoint = log.turn()
    await appendAll(log, upTo(20, 11))
    checkpoint.release()
    await appendAll(log, upTo(HALF_RECORDS + 10, 21))
    t.strictSame(sequencesOf(await read(device, 10)), upTo(HALF_RECORDS + 10, 11))
  },
)

t.test('a checkpoint that failed forgets nothing, the next one all of it', async (t) => {
  const device = newDevice()
  const log = open(device)
  await appendAll(log, upTo(10))
  log.turn() // never released
  await appendAll(log, upTo(20, 11))
  const second = log.turn()
  await appendAll(log, upTo(HALF_RECORDS + 10, 21))
  t.strictSame(sequencesOf(await read(device)), upTo(HALF_RECORDS + 10), 'both halves are needed')
  const waiting = log.append(purge(HALF_RECORDS + 11))
  t.notOk(await settles(waiting), 'neither may be overwritten')
  second.release()
  await waiting
  t.strictSame(sequencesOf(await read(device, 20)), upTo(HALF_RECORDS + 11, 21))
})

t.test('a release that comes late does not free what a later checkpoint holds', async (t) => {
  const device = newDevice()
  const log = open(device)
  const first = log.turn()
  first.release()
  const second = log.turn()
  first.release()
  await appendAll(log, upTo(HALF_RECORDS))
  const waiting = log.append(purge(HALF_RECORDS + 1))
  t.notOk(await settles(waiting))
  second.release()
  await waiting
  second.release()
})

t.test('a checkpoint may begin and end while a write is under way', async (t) => {
  const device = newDevice(({ kind, nth }) => (kind === 'write' && nth === 1 ? 'hold' : undefined))
  const log = open(device)
  const slow = appendAll(log, upTo(5))
  await nextTurn()
  log.turn().release()
  device.release()
  await slow
  t.equal(log.fillShare, 0, 'the other half is empty')
  device.fault = ({ kind }) => (kind === 'write' ? 'hold' : undefined)
  const again = log.append(purge(6))
  await nextTurn()
  log.turn().release()
  log.turn().release()
  const next = appendAll(log, [7, 8])
  device.fault = undefined
  device.release()
  await Promise.all([again, next])
  const found = await read(device, 5)
  t.strictSame(sequencesOf(found).slice(-2), [7, 8])
  t.strictSame(device.violations, [], 'no memory was changed under the write')
})

t.test(
  'purges that could not be written or synced are rejected; those before and after are there',
  async (t) => {
    for (const kind of ['write', 'sync'] as const) {
      const device = newDevice((operation) =>
        operation.kind === kind && operation.nth === 2 ? 'EIO' : undefined,
      )
      const log = open(device)
      await appendAll(log, upTo(3))
      const failing = upTo(300, 4).map((sequence) => log.append(purge(sequence)))
      const results = await Promise.allSettled(failing)
      t.equal(log.fillShare, 3 / HALF_RECORDS, 'their place is used again')
      t.ok(results.every((result) => result.status === 'rejected' && result.reason.code === 'EIO'))
      await appendAll(log, upTo(302, 301))
      const found = sequencesOf(await read(device.crash(1)))
      t.strictSame(
        found.filter((sequence) => sequence <= 3 || sequence > 300),
        [1, 2, 3, 301, 302],
        kind,
      )
    }
  },
)

t.test('the next life goes on behind what still matters', async (t) => {
  const device = newDevice()
  const first = open(device)
  await appendAll(first, upTo(200))
  await first.close()
  const found = await read(device)
  t.strictSame(found.after, { half: 0, block: 1 })
  t.equal((await read(device, 200)).after, null, 'nothing matters that a checkpoint has seen')

  let calls = 0
  const log = open(device, found.after, () => calls++)
  await appendAll(log, upTo(456, 201))
  const waiting = log.append(purge(457))
  t.notOk(await settles(waiting), 'the other half may hold what no checkpoint has seen')
  t.equal(calls, 1)
  t.strictSame(sequencesOf(await read(device)), upTo(456))
  log.turn().release()
  await waiting
})

t.test('purges that were appended again out of order are not written over in the next life', async (t) => {
  const device = newDevice()
  const log = open(device)
  await appendAll(log, upTo(228, 101)) // block 0
  await appendAll(log, [1, 2, 3])
  const found = await read(device)
  t.strictSame(found.after, { half: 0, block: 1 })
})

t.test('what cannot be awaited any more is rejected', async (t) => {
  let calls = 0
  const device = newDevice()
  const log = open(device, null, () => calls++)
  await appendAll(log, upTo(2 * HALF_RECORDS))
  const waiting = log.append(purge(5000))
  const flushed = log.flush()
  t.notOk(await settles(flushed))
  log.giveUp(new Error('no checkpoint'))
  await t.rejects(waiting, { message: 'no checkpoint' })
  await flushed
  const told = calls
  const later = log.append(purge(5001))
  t.notOk(await settles(later))
  t.equal(calls, told + 1, 'the store is asked for another checkpoint')
  log.turn().release()
  await later
})

t.test('flush waits for what is under way', async (t) => {
  const device = newDevice(() => 'hold')
  const log = open(device)
  await log.flush()
  const answered = log.append(purge(1))
  const flushed = log.flush()
  t.notOk(await settles(flushed))
  device.fault = undefined
  device.release()
  await flushed
  t.ok(await settles(answered))
})

t.test('close waits for the write under way, rejects the rest and gives the memory back', async (t) => {
  const device = newDevice(({ kind }) => (kind === 'write' ? 'hold' : undefined))
  const own = arena.slab(MIB)
  const log = createPurgeLog({ device, geometry, salt: SALT, memory: own, after: null, onFull: () => {} })
  t.ok(own.usedBytes() > 0)
  const first = log.append(purge(1))
  await nextTurn()
  const second = log.append(purge(2))
  const closed = log.close()
  await t.rejects(second, { message: 'the purge log is closed' })
  t.notOk(await settles(closed))
  device.release()
  await closed
  await first
  await log.close()
  await t.rejects(log.append(purge(3)), { message: 'the purge log is closed' })
  t.equal(own.usedBytes(), 0)
  t.strictSame(device.violations, [])
})

t.test('a log that cannot be read is an error, and the memory is given back', async (t) => {
  const device = newDevice(({ kind }) => (kind === 'read' ? 'EIO' : undefined))
  const own = arena.slab(MIB)
  const reading = readPurges({ device, geometry, salt: SALT, memory: own, since: 0 })
  await t.rejects(reading, { code: 'EIO' })
  t.equal(own.usedBytes(), 0)
})

t.test('a changed bit hides no purge: it is found, or known to be lost', async (t) => {
  const device = newDevice()
  await appendAll(open(device), upTo(300))
  const random = createRandom(3)
  for (let run = 0; run < 300; run++) {
    const at = geometry.purgeLog[0].offset + random.below(300 * PURGE_RECORD_BYTES)
    const bit = random.below(8)
    device.flip(at, bit)
    const { records, damaged } = await read(device)
    device.flip(at, bit)
    if (records.length + damaged !== 300) t.fail(`bit ${bit} of byte ${at}`)
  }
  const { damaged } = await read(device)
  t.equal(damaged, 0)
})

t.test('what an earlier format of the device has left is neither found nor damage', async (t) => {
  const device = newDevice()
  const log = open(device)
  await appendAll(log, upTo(2 * HALF_RECORDS))
  t.strictSame(await read(device, 0, SALT + 1), { records: [], after: null, damaged: 0 })
})

/** What a log is told and what it has answered, over several lives. */
interface History {
  sequence: number
  /** What the last checkpoint has seen. */
  since: number
  told: Set<number>
  answered: Set<number>
}

/** One life: purges in bursts, errors, checkpoints that succeed or fail, then its end at any moment. */
async function live(device: FakeDevice, after: PurgePlace | null, history: History, random: Random) {
  let isFull = false
  const log = open(device, after, () => (isFull = true))
  const troubled = random.chance(0.3)
  device.fault = ({ kind }) => (troubled && kind !== 'read' && random.chance(0.1) ? 'EIO' : undefined)
  let ended = false

  function append(sequence: number): void {
    history.told.add(sequence)
    log.append(purge(sequence)).then(
      () => ended || history.answered.add(sequence),
      () => ended || random.chance(0.5) || append(sequence),
    )
  }

  async function checkpoint(): Promise<void> {
    const turned = log.turn()
    const seen = history.sequence++
    for (let turns = random.below(20); turns > 0; turns--) await nextTurn()
    if (ended || random.chance(0.2)) return
    history.since = Math.max(history.since, seen)
    turned.release()
  }

  for (let step = random.below(40); step >= 0; step--) {
    for (let count = random.below(random.pick([2, 40, 200])); count > 0; count--) append(history.sequence++)
    if (random.chance(0.1) || (isFull && random.chance(0.5))) {
      isFull = false
      void checkpoint()
    }
    for (let turns = random.below(8); turns > 0; turns--) await nextTurn()
  }
  ended = true
  device.fault = undefined
  const next = random.chance(0.5) ? device.crash(random.below(2 ** 31)) : device.kill(random.below(2 ** 31))
  await log.close()
  return next
}

t.test('whatever happens, all that was answered is found, and nothing that was never told', async (t) => {
  const runs = Number(process.env.SOAK_RUNS ?? 60)
  let answered = 0
  for (let seed = 1; seed <= runs; seed++) {
    const random = createRandom(seed)
    const history: History = { sequence: 1, since: 0, told: new Set(), answered: new Set() }
    let device = newDevice()
    let after: PurgePlace | null = null
    for (let life = 1; life <= 4; life++) {
      const next = await live(device, after, history, random)
      if (device.violations.length > 0) t.fail(`seed ${seed}, life ${life}: ${device.violations}`)
      device = next
      const found = await read(device, history.since)
      const sequences = new Set(sequencesOf(found))
      const lost = [...history.answered].filter((each) => each > history.since && !sequences.has(each))
      const made = [...sequences].filter((each) => !history.told.has(each))
      if (lost.length + made.length + found.damaged > 0) {
        t.fail(`seed ${seed}, life ${life}: lost ${lost}, made up ${made}, damaged ${found.damaged}`)
      }
      const isAsTold = found.records.every((record) => isDeepStrictEqual(record, purge(record.sequence)))
      if (!isAsTold) t.fail(`seed ${seed}, life ${life}: other records than were told`)
      after = found.after
      // Found is as good as answered: who starts relies on it.
      for (const sequence of sequences) history.answered.add(sequence)
      history.sequence += 1000
    }
    answered += history.answered.size
  }
  t.ok(answered > runs * 100, 'enough was tried')
})
