import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { scratchDirectory } from '../helpers.ts'
import { compare, type Orders, open } from './kill-child.ts'

const program = new URL('./kill-child.ts', import.meta.url).pathname
/** Two of these at the same time, each on a device of its own. */
const ROUNDS = Number(process.env.SOAK_RUNS ?? 100) / 2
t.setTimeout(600_000 + ROUNDS * 5000)
t.jobs = 2
/** Longest time that a child works before it is killed, in milliseconds. */
const WORK = 150

interface Life {
  wrong: string[]
  /** Entries that it had when it was killed, and slices and heads that the next life found of an earlier one. */
  entries: number
  recovered: number | undefined
  found: number
}

/** One life of a child, until it is killed at a random moment; `orders` becomes what the next one has to know. */
async function live(orders: Orders): Promise<Life> {
  const child = spawn(process.execPath, [program, JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // tap's loaders would make it start slowly, and most of its life is spent on reading modules
    env: { ...process.env, NODE_OPTIONS: '', NODE_COMPILE_CACHE: dirname(orders.path) },
  })
  const life: Life = { wrong: [], entries: 0, recovered: undefined, found: 0 }
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    const [what, ...rest] = line.split(' ')
    if (what === 'wrong') life.wrong.push(line)
    else if (what === 'dropped') {
      const generation = Number(rest.at(-1))
      const key = rest.slice(0, -1).join(' ')
      orders.floors[key] = Math.max(orders.floors[key] ?? -1, generation)
    } else if (what === 'flushed') {
      orders.next = Number(rest[0]) + 1
      life.entries = Number(rest[1])
    } else if (what === 'recovered') {
      life.recovered = Number(rest[0])
      life.found = Number(rest[1])
      setTimeout(() => child.kill('SIGKILL'), Math.random() * WORK)
    }
  })
  // Now and then it is killed while it starts, or while it reads its index.
  if (Math.random() < 0.1) setTimeout(() => child.kill('SIGKILL'), Math.random() * 600)
  const [, [code, signal]] = await Promise.all([once(lines, 'close'), once(child, 'exit')])
  if (signal !== 'SIGKILL') life.wrong.push(`the child ended by itself: ${code} ${signal}`)
  // What it put after the last line that was read.
  orders.next += 2000
  orders.oldest = Math.max(0, orders.next - 20_000)
  return life
}

for (const name of ['first', 'second'])
  t.test(
    `after kill -9 at any moment each answer is right or a miss, and purges hold: ${name} device`,
    async (t) => {
      const orders: Orders = { path: join(scratchDirectory(t), 'disk'), next: 1, oldest: 0, floors: {} }
      let before = 0
      const shares: number[] = []
      let found = 0
      for (let round = 0; round < ROUNDS; round++) {
        const life = await live(orders)
        t.same(life.wrong, [], `round ${round}`)
        if (life.recovered !== undefined && before > 0) shares.push(life.recovered / before)
        found += life.found
        if (life.recovered !== undefined) before = life.entries
      }
      const average = shares.reduce((sum, each) => sum + each, 0) / shares.length
      t.comment(`${found} entries were compared, ${average.toFixed(3)} of them recovered on average`)
      t.ok(found > ROUNDS * 10)
      t.ok(average > 0.9)

      const store = await open(orders.path)
      await store.recovered
      const [, wrong] = await compare(store, orders)
      t.same([...wrong, ...store.selfTest()], [])
      await store.close()
    },
  )
