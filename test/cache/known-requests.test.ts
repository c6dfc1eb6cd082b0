import t from 'tap'
import { createKnownRequests, LONGEST } from '../../lib/cache/known-requests.ts'
import { createRandom } from '../helpers/random.ts'

const buffer = new ArrayBuffer(4096)
const memory = { bytes: Buffer.from(buffer), words: new Int32Array(buffer) }

let reads = 0
/** Puts a request into the memory, with something of another read behind it. Returns its length. */
function received(text: string): number {
  memory.bytes.fill(++reads)
  return memory.bytes.write(text, 'latin1')
}

t.test('a request is found again by all of its bytes and nothing else', async (t) => {
  const known = createKnownRequests<string>()
  const texts = ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'abcd\0', 'abcdf', 'Abcde', 'GET /1', 'GET /2']
  for (const text of texts) {
    t.equal(known.find(memory, received(text)), undefined, `${JSON.stringify(text)} is not known yet`)
    known.remember(memory, received(text), `read of ${text}`)
  }
  for (const text of texts) t.equal(known.find(memory, received(text)), `read of ${text}`)
  known.remember(memory, received('abc'), 'read anew')
  t.equal(known.find(memory, received('abc')), 'read anew')
})

t.test('at random it never takes one request for another, and knows most of a thousand', async (t) => {
  const random = createRandom(1)
  const known = createKnownRequests<string>()
  // Most differ in a few bytes only, at every place.
  const base = Array.from({ length: 300 }, () => String.fromCharCode(random.below(256)))
  const texts = Array.from({ length: 1000 }, () => {
    const text = base.slice(0, 1 + random.below(base.length))
    for (let i = 0; i < 3; i++) text[random.below(text.length)] = String.fromCharCode(random.below(256))
    return text.join('')
  })
  for (const text of texts) known.remember(memory, received(text), text)
  let found = 0
  for (const text of [...texts, ...texts.map((text) => `${text}x`)]) {
    const read = known.find(memory, received(text))
    if (read !== undefined && read !== text) return t.fail('one was taken for another')
    if (read !== undefined) found++
  }
  t.ok(found > 950, `${found} of 1000`)
})

t.test('a request that was made to look like another one is not taken for it', async (t) => {
  // As the table mixes words: the second one can make up for another first one.
  const mixed = (hash: number, word: number) => {
    const product = Math.imul(hash ^ word, 0x9e3779b1)
    return product ^ (product >>> 15)
  }
  const known = createKnownRequests<string>()
  const [first, other, second] = [0x20544547, 0x21544547, 0x312f2f2f]
  const pair = (a: number, b: number) => {
    memory.words.set([a, b])
    return 8
  }
  known.remember(memory, pair(first, second), 'the one')
  const length = pair(other, second ^ mixed(8, first) ^ mixed(8, other))
  t.equal(mixed(mixed(8, first), second), mixed(mixed(8, other), memory.words[1]))
  t.equal(known.find(memory, length), undefined)
  known.remember(memory, length, 'the other')
  t.equal(known.find(memory, pair(first, second)), 'the one')
})

t.test('of many more than there is room for the latest are known, and none is wrong', async (t) => {
  const known = createKnownRequests<number>()
  for (let i = 0; i < 50_000; i++) known.remember(memory, received(`GET /objects/${i}`), i)
  let late = 0
  for (let i = 0; i < 50_000; i++) {
    const read = known.find(memory, received(`GET /objects/${i}`))
    if (read !== undefined && read !== i) return t.fail(`${read} in place of ${i}`)
    if (read !== undefined && i >= 49_000) late++
  }
  t.ok(late > 900, `${late} of the last 1000`)
})

t.test('long requests are not kept', async (t) => {
  const known = createKnownRequests<string>()
  const most = 'x'.repeat(LONGEST)
  known.remember(memory, received(most), 'most')
  known.remember(memory, received(`${most}x`), 'more')
  t.equal(known.find(memory, received(most)), 'most')
  t.equal(known.find(memory, received(`${most}x`)), undefined)
})
