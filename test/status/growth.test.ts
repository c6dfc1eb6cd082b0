import t from 'tap'
import { createProblems } from '../../lib/cache/problems.ts'
import { watchFailures } from '../../lib/status/growth.ts'

t.test('growth of a count is a problem, what was there before is none', async (t) => {
  const problems = createProblems()
  let reads = 7
  const watch = watchFailures(problems, [{ kind: 'store', text: 'disk: failed reads', read: () => reads }])
  watch()
  watch()
  t.same(problems.list(), [])
  reads += 3
  watch()
  t.match(problems.list(), [{ kind: 'store', text: 'disk: failed reads', count: 3 }])
  watch()
  t.equal(problems.list()[0].count, 3)
})
