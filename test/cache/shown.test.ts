import t from 'tap'
import { shownKey, shownTarget } from '../../lib/cache/shown.ts'
import { cacheKey, cacheKeyOptions } from '../../lib/semantics/key.ts'

t.test('a target is shown without its query, a key as its target', async (t) => {
  const target = { scheme: 'https', authority: 'a.example:81', path: '/p/5:q?token=secret' }
  t.equal(shownTarget(target), 'https://a.example:81/p/5:q')
  t.equal(shownKey(cacheKey(target, cacheKeyOptions())), 'https://a.example:81/p/5:q')
  t.equal(shownKey(cacheKey(target, cacheKeyOptions({ includeHost: false }))), 'https:///p/5:q')
})

t.test('a long path is cut', async (t) => {
  const shown = shownTarget({ scheme: 'http', authority: 'a', path: `/${'x'.repeat(16_000)}` })
  t.equal(shown.length, 300)
  t.match(shown, /…$/)
})
