import t from 'tap'
import { createFillMemory } from '../../lib/slices/fill-memory.ts'

/** A paused fill that holds `bytes`, and gives them back when it is asked to. */
function paused(memory: ReturnType<typeof createFillMemory>, bytes: number, shed: string[], name: string) {
  t.ok(memory.reserve(bytes))
  const fill = {
    shed() {
      shed.push(name)
      memory.used -= bytes
      memory.paused.delete(fill)
    },
  }
  memory.paused.add(fill)
}

t.test('reserves up to the limit and not a byte more', async (t) => {
  const memory = createFillMemory(100)
  t.ok(memory.reserve(60))
  t.ok(memory.reserve(40))
  t.notOk(memory.reserve(1))
  t.equal(memory.used, 100)
})

t.test(
  'makes room by the fills that stand still, the longest waiting first, and no more than needed',
  async (t) => {
    const memory = createFillMemory(100)
    const shed: string[] = []
    paused(memory, 30, shed, 'first')
    paused(memory, 30, shed, 'second')
    paused(memory, 30, shed, 'third')
    t.ok(memory.reserve(50))
    t.same(shed, ['first', 'second'])
    t.equal(memory.used, 80)
  },
)

t.test('refuses, and takes nothing, where the fills that stand still do not have enough', async (t) => {
  const memory = createFillMemory(100)
  const shed: string[] = []
  t.ok(memory.reserve(90))
  paused(memory, 5, shed, 'only')
  t.notOk(memory.reserve(20))
  t.equal(memory.used, 90)
})
