import t from 'tap'
import { createProblems } from '../../lib/cache/problems.ts'
import { watchFailures } from '../../lib/status/growth.ts'

t.test('growth of a count is a problem, what was there before is none', async (t) => {
  const problems = createProblems()
  const watch = watchFailures(problems)
  const look = (count: number) => watch([{ kind: 'store', text: 'disk: failed reads', count }])
  look(7)
  look(7)
  t.same(problems.list(), [])
  look(10)
  t.match(problems.list(), [{ kind: 'store', text: 'disk: failed reads', count: 3 }])
  look(10)
  t.equal(problems.list()[0].count, 3)
})
