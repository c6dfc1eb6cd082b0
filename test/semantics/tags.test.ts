import t from 'tap'
import { surrogateKeys, tagsOf } from '../../lib/semantics/tags.ts'

t.test('tags come from Surrogate-Key, Cache-Tag and Cache-Groups', (t) => {
  const tags = (fields: string[], groups: string[] = []) => [...tagsOf({ fields, groups })]
  t.same(tags(['surrogate-key', 'a  b', 'Surrogate-Key', 'c']), ['a', 'b', 'c'])
  t.same(tags(['Cache-Tag', 'a b, c ,, d']), ['a b', 'c', 'd'], 'spaces belong to a Cache-Tag')
  t.same(tags(['Cache-Tag', 'x'], ['g', 'x']), ['x', 'g'])
  t.same(tags(['Content-Type', 'text/html']), [])
  t.equal(tags(['Surrogate-Key', Array.from({ length: 5000 }, (_, i) => `t${i}`).join(' ')]).length, 5000)
  t.same(surrogateKeys(' , a,b  c '), ['a', 'b', 'c'])
  t.same(surrogateKeys(undefined), [])
  t.end()
})
