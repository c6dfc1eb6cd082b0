import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { bytesOf, scratchDirectory, sliceOf } from '../helpers.ts'
import { KEYS, maxBytes, SLICES, sizeOf } from './kill-child.ts'

const program = new URL('./kill-child.ts', import.meta.url).pathname

t.test('after kill -9 at any moment, each entry is whole or not there', async (t) => {
  const dir = scratchDirectory(t)
  let found = 0
  for (let round = 0; round < 12; round++) {
    const child = spawn(process.execPath, [program, dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' }, // tap's loaders would make it start slowly
    })
    for (let flushes = round % 3; flushes >= 0; flushes--) await once(child.stdout, 'data')
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30))
    child.kill('SIGKILL')
    await once(child, 'exit')

    const store = await createFileStore({ dir, maxBytes })
    for (const when of ['recovering', 'recovered']) {
      for (const key of KEYS) {
        const heads = await store.getHeads(key)
        if (heads === undefined) continue
        const { generation } = heads[0]
        for (let index = 0; index < SLICES; index++) {
          const slice = await store.getSlice(key, generation, index)
          if (slice === undefined) continue
          found++
          const whole = bytesOf(sliceOf(generation + index, sizeOf(generation, index)))!
          if (!bytesOf(slice)!.equals(whole)) t.fail(`${key} ${generation} ${index} ${when}`)
        }
      }
      await store.recovered
    }
    t.equal(store.stats().corrupt, 0, 'a rename is all or nothing')
    await store.close()
  }
  t.ok(found > 0)
  t.comment(`${found} slices were compared`)
})
