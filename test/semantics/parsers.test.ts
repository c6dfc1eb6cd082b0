import vm from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { PARSERS } from './parsers.ts'

/** Pieces of which the fields of HTTP are made, and bytes that belong into none. */
const piece = fc.oneof(
  fc.constantFrom(...'",;=\\ \t*/-:[]()%@?&#.'.split('')),
  fc.constantFrom(
    'max-age',
    'private',
    'no-cache',
    'bytes',
    'W/',
    'q=',
    'gzip',
    'en',
    'http',
    '://',
    '%7',
    '%2F',
    '?0',
  ),
  fc.constantFrom('0', '1', '9', 'a', 'Z', 'Mon', 'GMT', 'Nov', '2026'),
  fc.constantFrom('\0', '\r\n', '\x7f', '\x80', '\xff', '\ud800', '\udc00', '\u{1f600}'),
)
const text = fc.oneof(
  fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
/** The same again and again, between a beginning and an end: what makes backtracking expensive. */
const repeated = fc
  .tuple(text, fc.array(piece, { minLength: 1, maxLength: 4 }), text)
  .map(([before, unit, after]) => ({ before, unit: unit.join(''), after }))

t.test('no text makes a parser throw', async () => {
  for (const parse of Object.values(PARSERS))
    fc.assert(
      fc.property(text, (text) => void parse(text)),
      { numRuns: 300 },
    )
})

// No time is measured. What takes a step for each character takes a hundredth of the limit here, and what takes one for
// each pair of them many times as much.
const LIMIT = 4000
const LONG = 60_000
const UNITS = [
  ...'a",= \t0:/\xff\0'.split(''),
  ...['\\"', '%41', 'x=",', 'a=b,', 'W/"', 'a;q=0.5,', '("', 'private=a,', '0-1,', '?&'],
]

t.test('a long text is read once, whatever is repeated in it', async (t) => {
  for (const [name, parse] of Object.entries(PARSERS)) {
    t.test(name, async (t) => {
      for (const unit of UNITS) {
        for (const [before, after] of [
          ['', ''],
          ['"', ''],
          ['[', '"\0'],
        ]) {
          if (!reads(parse, before + unit.repeat(LONG / unit.length) + after))
            return t.fail(`${before}${unit}…${after}`)
        }
      }
      const anything = fc.property(repeated, ({ before, unit, after }) =>
        reads(parse, before + unit.repeat(LONG / unit.length) + after),
      )
      fc.assert(anything, { numRuns: 10 })
    })
  }
})

t.test('lists of a million characters are read once', async (t) => {
  for (const [name, parse] of Object.entries(PARSERS)) {
    if (/ of a re(quest|sponse)$/.test(name)) continue
    t.test(name, async (t) => {
      for (const unit of ['a,', '"a",', 'private=a,', 'private="a,b",', 'a=b;c=d, ', '0-1,', '%41']) {
        if (!reads(parse, unit.repeat(1_000_000 / unit.length))) return t.fail(`${unit}…`)
      }
    })
  }
})

function reads(parse: (text: string) => unknown, text: string): boolean {
  try {
    vm.runInNewContext('parse(text)', { parse, text }, { timeout: LIMIT })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false
    throw error
  }
}
