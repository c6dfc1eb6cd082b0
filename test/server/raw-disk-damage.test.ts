import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import t from 'tap'
import { fileOrigin } from '../helpers/file-origin.ts'
import { createRandom, type Random } from '../helpers/random.ts'
import { askAll, balanced, someFiles, startRawServer } from './raw-disk.ts'

interface Damage {
  bits: number
  /** Part of the device, from its front, in which they turn: there are superblocks, purges and the index. */
  part: number
  /** How the process had ended. */
  signal: NodeJS.Signals
}

const damages: Damage[] = [
  { bits: 20, part: 1 / 16, signal: 'SIGTERM' },
  { bits: 200, part: 1 / 16, signal: 'SIGKILL' },
  // Many more at the front, and nobody could tell that the device is ours: it would be refused.
  { bits: 2000, part: 1, signal: 'SIGTERM' },
]

/** Turns a bit at random places of a file. */
function flip(path: string, { bits, part }: Damage, random: Random): void {
  const file = openSync(path, 'r+')
  const { size } = statSync(path)
  const byte = Buffer.alloc(1)
  for (let i = 0; i < bits; i++) {
    const at = random.below(size * part)
    readSync(file, byte, 0, 1, at)
    byte[0] ^= 1 << random.below(8)
    writeSync(file, byte, 0, 1, at)
  }
  closeSync(file)
}

t.test("bits that turn anywhere on the device: the origin's bytes or a miss", async (t) => {
  const random = createRandom(7)
  const files = someFiles(24)
  const origin = await fileOrigin(t, files)
  const raw = await startRawServer(t, origin.url)
  for (const damage of damages) {
    await askAll(t, raw, files)
    await raw.settled()
    await raw.server.kill(damage.signal)
    flip(raw.device, damage, random)
    origin.dropConnections()
    await raw.server.start()
    await raw.settled()
    const { HIT = 0, MISS = 0 } = await askAll(t, raw, files)
    t.equal(HIT + MISS, 24)
    t.comment(`${damage.bits} bits: ${HIT} hits, ${MISS} misses`)
    balanced(t, await raw.settled(), `after ${damage.bits} bits`)
    t.same(await askAll(t, raw, files), { HIT: 24 }, 'stored again')
  }
})
