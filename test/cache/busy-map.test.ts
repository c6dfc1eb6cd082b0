import t from 'tap'
import { createBusyMap } from '../../lib/cache/busy-map.ts'

t.test('a busy map is a Map, also when it has been made anew', async (t) => {
  const busy = createBusyMap<string, number>()
  const model = new Map<string, number>()
  for (let i = 0; i < 5000; i++) {
    busy.set(`key ${i}`, i)
    model.set(`key ${i}`, i)
    if (i >= 20 && i % 100 !== 0) {
      busy.delete(`key ${i - 20}`)
      model.delete(`key ${i - 20}`)
    }
    busy.delete('never there')
  }
  t.same([...busy.values()], [...model.values()], 'the same, oldest first')
  for (let i = 0; i < 5000; i++) {
    if (busy.get(`key ${i}`) !== model.get(`key ${i}`)) t.fail(`key ${i}`)
  }
})

t.test('what is removed during a walk ends the walk no sooner', async (t) => {
  const busy = createBusyMap<number, number>()
  for (let i = 0; i < 2000; i++) busy.set(i, i)
  let seen = 0
  for (const each of busy.values()) {
    seen++
    busy.delete(each)
  }
  t.equal(seen, 2000)
  t.same([...busy.values()], [])
})
