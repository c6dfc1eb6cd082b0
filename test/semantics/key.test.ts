import fc from 'fast-check'
import t from 'tap'
import {
  cacheKey,
  normalisedPath,
  parseTarget,
  sameOriginTarget,
  type Target,
} from '../../lib/semantics/key.ts'

const EVERYTHING = { includeHost: true, ignoreQuery: false, queryAllowlist: null }

t.test('origin-form takes its authority from Host, in lower case and without the default port', async (t) => {
  const authority = (host: string, scheme = 'http') => {
    const target = parseTarget('GET', '/', host, scheme)
    return target.ok ? target.authority : target.reason
  }
  t.same(parseTarget('GET', '/A?b=C', 'H', 'http'), {
    ok: true,
    scheme: 'http',
    authority: 'h',
    path: '/A?b=C',
  })
  t.equal(authority('Example.COM:80'), 'example.com')
  t.equal(authority('example.com:'), 'example.com')
  t.equal(authority('example.com:443', 'https'), 'example.com')
  t.equal(authority('example.com:443'), 'example.com:443')
  t.equal(authority('example.com:0080'), 'example.com')
  t.equal(authority('[2001:DB8::1]:8080'), '[2001:db8::1]:8080')
  t.equal(authority('127.0.0.1:3000'), '127.0.0.1:3000')
  t.match(parseTarget('GET', '/', undefined, 'http'), { ok: true, authority: '' }, 'HTTP/1.0 names no host')
})

t.test('an invalid Host is refused in every form', async (t) => {
  for (const host of [
    ...[
      '',
      ' ',
      'a b',
      'a, b',
      'a,b',
      'a/b',
      'u@h',
      'h:x',
      'h:99999',
      'h:1:2',
      '[::1',
      '::1',
      '[x]',
      'h\t',
      'h?',
      'h#',
    ],
    ...['h\\', '%zz', 'h\x00', 'é', ':80'],
  ]) {
    t.match(parseTarget('GET', '/', host, 'http'), { ok: false, status: 400 }, JSON.stringify(host))
    t.match(parseTarget('GET', 'http://fine/', host, 'http'), { ok: false }, JSON.stringify(host))
  }
})

t.test('absolute-form names the authority, and Host may not differ', async (t) => {
  const target = parseTarget('GET', 'HTTP://Other:80/x?y', 'other', 'http')
  t.same(target, { ok: true, scheme: 'http', authority: 'other', path: '/x?y' })
  t.match(parseTarget('GET', 'http://h', undefined, 'http'), { authority: 'h', path: '/' })
  t.match(parseTarget('GET', 'http://h?q', 'h', 'http'), { authority: 'h', path: '/?q' })
  t.match(parseTarget('GET', 'http://h/', 'other', 'http'), { ok: false, reason: /Host differs/ })
})

t.test('a client chooses neither the scheme nor credentials', async (t) => {
  for (const url of [
    'https://h/',
    'ftp://h/',
    'http:///x',
    'http://u:p@h/',
    'http:/h',
    'h:80',
    'x',
    '?q',
    '//',
  ]) {
    t.equal(parseTarget('GET', url, 'h', 'http').ok, url === '//', url)
  }
})

t.test('* is for OPTIONS', async (t) => {
  t.match(parseTarget('OPTIONS', '*', 'h', 'http'), { ok: true, path: '*' })
  t.match(parseTarget('GET', '*', 'h', 'http'), { ok: false, status: 400 })
})

t.test('fragments, spaces and control bytes in a target are refused', async (t) => {
  for (const url of ['', '/#', '/a#b', '/a b', '/a\r\nb', '/\x00', '/\x7f', '/\t']) {
    t.match(parseTarget('GET', url, 'h', 'http'), { ok: false, status: 400 }, JSON.stringify(url))
  }
})

t.test('no text makes the parser throw', async () => {
  const text = fc.string({
    unit: fc.constantFrom('http', ':', '/', '[', ']', '%', '@', 'h', '*', '?', '8', '\xff'),
  })
  fc.assert(fc.property(text, text, (url, host) => void parseTarget('GET', url, host, 'http')))
})

t.test('what differs by a byte has another key', async (t) => {
  const of = (scheme: string, authority: string, path: string) =>
    cacheKey({ scheme, authority, path }, EVERYTHING)
  const keys = [
    ...[of('http', 'h', '/a'), of('https', 'h', '/a'), of('http', 'h2', '/a'), of('http', 'h', '/A')],
    ...[of('http', 'h', '/%2E/a'), of('http', 'h', '//a'), of('http', 'h', '/./a'), of('http', 'h', '/a;')],
    ...[of('http', 'h', '/a?'), of('http', 'h', '/a%2F'), of('http', 'h', '/a/'), of('http', 'h/', 'a')],
    ...[of('http', '', 'a0:'), of('http', '3:a', '')],
  ]
  t.equal(new Set(keys).size, keys.length)
})

t.test('spellings that RFC 3986 calls equivalent have one key', async (t) => {
  t.equal(normalisedPath('/%61%7E%2d/%2f%3f%25?%c3%A9=%41'), '/a~-/%2F%3F%25?%C3%A9=A')
  for (const path of ['/a', '/%', '/%zz', '/%2', '/%2E%2E/', '/%%341', '//a/./b?c=d&c'])
    t.equal(normalisedPath(path), path)
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('%', '2', '3', '4', '5', '7', 'e', 'A', '/'), maxLength: 12 }),
      (path) => {
        const once = normalisedPath(path)
        t.equal(octets(once), octets(path))
        t.equal(normalisedPath(once), once)
      },
    ),
  )
})

/** The octets that a path means; a stray percent sign is itself. */
function octets(path: string): string {
  return path.replace(/%([0-9a-f]{2})|./gis, (character, hex?: string) =>
    hex === undefined ? `${character.charCodeAt(0)} ` : `${Number.parseInt(hex, 16)} `,
  )
}

t.test('what a response names of the same origin', async (t) => {
  const target = { scheme: 'http', authority: 'a.example', path: '/dir/x?y' }
  const named = (reference: string) => sameOriginTarget(reference, target, 'origin:81')?.path
  t.equal(named('/z'), '/z')
  t.equal(named('z?q'), '/dir/z?q')
  t.equal(named(''), '/dir/x?y')
  t.equal(named('http://a.example/z#f'), '/z')
  t.equal(named('http://A.example:80/z'), '/z')
  t.equal(named('http://origin:81/z'), '/z', 'by the name under which the origin knows itself')
  for (const other of [
    'https://a.example/z',
    'http://b.example/z',
    '//a.example:8080/z',
    'http://[',
    'mailto:x',
  ])
    t.equal(named(other), undefined, other)
})

t.test('two targets never concatenate to the same key', async (t) => {
  const part = fc.string({ unit: fc.constantFrom('a', ':', '1', '2', '/', '|'), maxLength: 6 })
  const target = fc.record<Target>({ scheme: part, authority: part, path: part })
  fc.assert(
    fc.property(target, target, (a, b) => {
      const same = a.scheme === b.scheme && a.authority === b.authority && a.path === b.path
      t.equal(cacheKey(a, EVERYTHING) === cacheKey(b, EVERYTHING), same)
    }),
  )
})

t.test('host and query count as far as configured', async (t) => {
  const of = (authority: string, path: string, options: object) =>
    cacheKey({ scheme: 'http', authority, path }, { ...EVERYTHING, ...options })
  t.equal(of('a', '/', { includeHost: false }), of('b', '/', { includeHost: false }))
  t.equal(of('a', '/x?y', { ignoreQuery: true }), of('a', '/x', {}))
  const allow = { queryAllowlist: ['v', 'w'] }
  t.equal(of('a', '/x?utm=1&v=2&w&vv=3', allow), of('a', '/x?v=2&w', {}))
  t.equal(of('a', '/x?utm=1', allow), of('a', '/x', {}))
  t.not(of('a', '/x?v=1&w=2', allow), of('a', '/x?w=2&v=1', allow), 'order is kept')
})
