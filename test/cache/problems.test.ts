import t from 'tap'
import { createProblems, errorText } from '../../lib/cache/problems.ts'

t.test('what happens again and again is one line, with the last target', async (t) => {
  let now = 1000
  const problems = createProblems(() => now)
  problems.add('origin', 'connect ECONNREFUSED', 'http://o/a')
  now = 2000
  problems.add('body', 'cut', 'http://o/b')
  now = 3000
  problems.add('origin', 'connect ECONNREFUSED', 'http://o/c')
  t.same(problems.list(), [
    { kind: 'origin', text: 'connect ECONNREFUSED', target: 'http://o/c', first: 1000, last: 3000, count: 2 },
    { kind: 'body', text: 'cut', target: 'http://o/b', first: 2000, last: 2000, count: 1 },
  ])
})

t.test('the last fifty are kept, and their texts are bounded', async (t) => {
  const problems = createProblems()
  for (let i = 0; i < 60; i++) problems.add('store', `error ${i}`, '', 2)
  problems.add('client', 'x'.repeat(10_000), `http://o/${'y'.repeat(10_000)}`)
  const list = problems.list()
  t.equal(list.length, 50)
  t.ok(list[0].text.length <= 300 && list[0].target.length <= 300)
  t.match(list[1], { text: 'error 59', count: 2 })
})

t.test('an error without a message is told by its code', async (t) => {
  t.equal(errorText(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })), 'ECONNREFUSED')
  t.equal(errorText(new TypeError('no')), 'no')
  t.equal(errorText(new TypeError()), 'TypeError')
})
