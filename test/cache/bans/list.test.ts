import fc from 'fast-check'
import t from 'tap'
import type { Ban, BanMode, BanTarget } from '../../../lib/cache/bans/ban.ts'
import { createBanList, MAX_BANS, MAX_CHARACTERS, MAX_GLOBS } from '../../../lib/cache/bans/list.ts'
import { cacheKey } from '../../../lib/semantics/key.ts'
import type { Head } from '../../../lib/semantics/types.ts'
import { headOf } from '../../semantics/heads.ts'

const KEY = { includeHost: true, ignoreQuery: false, queryAllowlist: null }

interface Stored {
  authority: string
  path: string
  tags: string[]
  groups: string[]
  order: number
}

function stored({ authority, path, tags, groups, order }: Stored): Head {
  const fields = tags.length > 0 ? ['Surrogate-Key', tags.join(' ')] : []
  const key = cacheKey({ scheme: 'http', authority, path }, KEY)
  return { ...headOf(fields), key, order, groups }
}

/** Says of each ban whether it means a response, the slow way. */
function isMeant(what: BanTarget, { authority, path, tags, groups }: Stored): boolean {
  switch (what.kind) {
    case 'all':
      return true
    case 'tagged':
      return tags.length + groups.length > 0
    case 'key':
      return what.key === cacheKey({ scheme: 'http', authority, path }, KEY)
    case 'tag':
      return [...tags, ...groups].includes(what.tag)
    case 'group':
      return what.scheme === 'http' && what.authority === authority && groups.includes(what.name)
    case 'paths': {
      if (what.authority !== null && what.authority !== authority) return false
      const open = !what.pattern.includes('*')
      const source = what.pattern.split('*').map((part) => part.replace(/[.?]/g, '\\$&'))
      return new RegExp(`^${source.join('.*')}${open ? '' : '$'}`).test(path)
    }
  }
}

const STERN: readonly BanMode[] = ['gone', 'invalid', 'stale']

function expected(bans: readonly Ban[], response: Stored) {
  for (const mode of STERN) {
    const times = bans
      .filter((ban) => ban.mode === mode && ban.time > response.order && isMeant(ban.what, response))
      .map((ban) => ban.time)
    if (times.length > 0) return { mode, time: Math.max(...times) }
  }
  return null
}

const word = fc.constantFrom('a', 'b', 'ab', 'ba')
const authority = fc.constantFrom('one', 'two')
const path = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '/', '.', '?', '*'), { maxLength: 6 }))
  .map(([parts]) => `/${parts.join('')}`)
const pattern = fc
  .array(fc.constantFrom('a', 'b', '/', '.', '*'), { maxLength: 5 })
  .map((parts) => `/${parts.join('')}`)

const target: fc.Arbitrary<BanTarget> = fc.oneof(
  fc.constant({ kind: 'all' } as const),
  fc.constant({ kind: 'tagged' } as const),
  fc.record({ kind: fc.constant('tag' as const), tag: word }),
  fc.record({ kind: fc.constant('group' as const), scheme: fc.constant('http'), authority, name: word }),
  fc.record({ kind: fc.constant('paths' as const), authority: fc.option(authority), pattern }),
  fc.record({ authority, path }).map((each) => ({
    kind: 'key' as const,
    key: cacheKey({ scheme: 'http', ...each }, KEY),
  })),
)

const response: fc.Arbitrary<Stored> = fc.record({
  authority,
  // A star of its own in a path is seldom meant, and means more than the text where it is.
  path: path.map((text) => text.replaceAll('*', '')),
  tags: fc.uniqueArray(word, { maxLength: 2 }),
  groups: fc.uniqueArray(word, { maxLength: 2 }),
  order: fc.integer({ min: 0, max: 20 }),
})

t.test('a verdict is that of all bans since the response was asked for, one by one', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ what: target, mode: fc.constantFrom(...STERN) }), { maxLength: 12 }),
      fc.array(response, { maxLength: 6 }),
      (drawn, responses) => {
        const list = createBanList()
        const bans: Ban[] = []
        const heads = responses.map(stored)
        for (const [i, each] of drawn.entries()) {
          const ban = { ...each, time: i + 1 }
          bans.push(ban)
          list.add(ban)
          // Asked again and again, as hits do: what was remembered must not outlast the next ban.
          for (const [at, head] of heads.entries()) {
            t.same(list.verdict(head), expected(bans, responses[at]))
          }
        }
        const copy = createBanList()
        for (const ban of list.bans()) copy.add(ban)
        for (const [at, head] of heads.entries()) {
          t.same(
            copy.verdict({ ...head }),
            expected(bans, responses[at]),
            'the bans that it lists say the same',
          )
        }
      },
    ),
  )
  t.end()
})

t.test('bans of a time and before are retired, later ones stay', (t) => {
  const list = createBanList()
  const head = stored({ authority: 'one', path: '/a', tags: ['x'], groups: [], order: 1 })
  list.add({ what: { kind: 'tag', tag: 'x' }, mode: 'stale', time: 5 })
  list.add({ what: { kind: 'paths', authority: null, pattern: '/*a*' }, mode: 'gone', time: 6 })
  list.add({ what: { kind: 'paths', authority: 'one', pattern: '/' }, mode: 'gone', time: 7 })
  list.add({ what: { kind: 'tag', tag: 'x' }, mode: 'invalid', time: 8 })
  list.retire(7)
  t.same(list.verdict(head), { mode: 'invalid', time: 8 })
  t.equal(list.size, 1)
  list.retire(8)
  t.equal(list.verdict(head), null)
  t.same({ size: list.size, newest: list.newest, bans: list.bans() }, { size: 0, newest: 0, bans: [] })
  t.end()
})

t.test('too many bans, globs or characters: the oldest count for everything, the list stays bounded', (t) => {
  const floods: Record<string, (i: number) => BanTarget> = {
    tags: (i) => ({ kind: 'tag', tag: `t${i}` }),
    globs: (i) => ({ kind: 'paths', authority: null, pattern: `/${i}*x` }),
    'long names': (i) => ({ kind: 'tag', tag: `${i}`.padEnd(4000, 'x') }),
  }
  const untouched = (order: number) =>
    stored({ authority: 'one', path: '/elsewhere', tags: [], groups: [], order })
  for (const [name, what] of Object.entries(floods)) {
    const list = createBanList()
    const count = { tags: MAX_BANS, globs: MAX_GLOBS, 'long names': Math.floor(MAX_CHARACTERS / 4004) }[name]!
    for (let i = 0; i < count; i++) list.add({ what: what(i), mode: 'gone', time: i + 1 })
    t.equal(list.verdict(untouched(0)), null, `${name}: room for so many`)
    for (let i = count; i < count + 10; i++) list.add({ what: what(i), mode: 'gone', time: i + 1 })
    t.equal(list.verdict(untouched(0))?.mode, 'gone', `${name}: the oldest speaks for all`)
    t.equal(list.verdict(untouched(100)), null, 'of what is older than itself only')
    t.ok(list.size <= count + 1)
  }
  t.end()
})

t.test(
  'of too many globs, the one banned longest ago counts for everything, not one banned just now',
  (t) => {
    const list = createBanList()
    const glob = (i: number) => ({ kind: 'paths', authority: null, pattern: `/${i}*x` }) as const
    for (let i = 0; i < MAX_GLOBS; i++) list.add({ what: glob(i), mode: 'gone', time: i + 1 })
    list.add({ what: glob(0), mode: 'gone', time: 10_000 })
    list.add({ what: glob(MAX_GLOBS), mode: 'gone', time: 10_001 })
    const at = (order: number) => stored({ authority: 'one', path: '/y', tags: [], groups: [], order })
    t.equal(list.verdict(at(1))?.mode, 'gone')
    t.equal(list.verdict(at(5000)), null)
    t.end()
  },
)

t.test('a host of that strange name is not every host', (t) => {
  const list = createBanList()
  const what = { kind: 'paths', pattern: '/a*b' } as const
  list.add({ what: { ...what, authority: '*' }, mode: 'gone', time: 5 })
  list.add({ what: { ...what, authority: null }, mode: 'gone', time: 6 })
  const head = stored({ authority: 'one', path: '/a1b', tags: [], groups: [], order: 1 })
  t.equal(list.verdict(head)?.mode, 'gone')
  t.end()
})
