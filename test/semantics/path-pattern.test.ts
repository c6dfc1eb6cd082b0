import fc from 'fast-check'
import t from 'tap'
import { matchesGlob, readPattern } from '../../lib/semantics/path-pattern.ts'

t.test('a pattern is a prefix, unless a star stands elsewhere than at the end', (t) => {
  t.same(readPattern('/a/'), { prefix: '/a/' })
  t.same(readPattern('/a/*'), { prefix: '/a/' })
  t.same(readPattern('/a/**'), { prefix: '/a/' })
  t.same(readPattern('/'), { prefix: '/' })
  t.same(readPattern('/a/*.jpg'), { parts: ['/a/', '.jpg'] })
  t.same(readPattern('/a/**/b*'), { parts: ['/a/', '/b', ''] })
  t.same(readPattern('/%7Euser/%2f'), { prefix: '/~user/%2F' }, 'as paths are spelt in keys')
  t.same(readPattern('/%7Euser/50%*'), { prefix: '/~user/50%' }, 'also where a percent sign encodes nothing')
  t.end()
})

t.test('a glob matches what the same regular expression does', (t) => {
  const text = (letters: string[]) =>
    fc.array(fc.constantFrom(...letters), { maxLength: 10 }).map((l) => `/${l.join('')}`)
  fc.assert(
    fc.property(text(['a', 'b', '*']), text(['a', 'b', '/', '.']), (pattern, path) => {
      const read = readPattern(`${pattern}*b`)
      if (!('parts' in read)) throw new Error('a glob')
      const expression = new RegExp(`^${`${pattern}*b`.split('*').join('.*')}$`)
      t.equal(matchesGlob(read.parts, path), expression.test(path), `${pattern}*b on ${path}`)
    }),
    { numRuns: 1000 },
  )
  t.end()
})

t.test('a glob that a regular expression would try for ever is decided at once', (t) => {
  const { parts } = readPattern(`/${'*a'.repeat(1000)}`) as { parts: string[] }
  t.notOk(matchesGlob(parts, `/${'a'.repeat(4000)}b`))
  t.ok(matchesGlob(parts, `/${'a'.repeat(4000)}`))
  t.end()
})
