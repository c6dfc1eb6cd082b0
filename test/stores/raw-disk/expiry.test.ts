import t from 'tap'
import { expiryOf } from '../../../lib/stores/raw-disk/expiry.ts'
import { headOf } from '../helpers.ts'

const DAY = 24 * 3600
const bare = { etag: null, lastModified: null, freshUntil: 10_000_000 }

t.test('heads are of use for as long as one of them may be used', async (t) => {
  const strict = headOf('a', 1, { ...bare, mustRevalidate: true })
  t.equal(expiryOf([strict]), 10_001, 'fresh, and a second for rounding')
  t.equal(expiryOf([headOf('a', 1, { ...bare, noCache: true })]), 10_001)
  t.equal(expiryOf([headOf('a', 1, bare)]), 10_001 + DAY, 'it may stand in for an origin that is away')
  t.equal(
    expiryOf([headOf('a', 1, { ...bare, mustRevalidate: true, staleIfErrorUntil: 20_000_000 })]),
    20_001,
  )
  t.equal(
    expiryOf([headOf('a', 1, { ...bare, mustRevalidate: true, staleWhileRevalidateUntil: 30_000_000 })]),
    30_001,
  )
  t.equal(expiryOf([strict, headOf('a', 2, bare)]), 10_001 + DAY, 'the longest counts')
})

t.test('what can be validated is of use for ever', async (t) => {
  const strict = headOf('a', 1, { ...bare, mustRevalidate: true })
  t.equal(expiryOf([headOf('a', 1, { ...bare, etag: '"v"' })]), 0)
  t.equal(expiryOf([headOf('a', 1, { ...bare, lastModified: 'Sun, 06 Nov 1994 08:49:37 GMT' })]), 0)
  t.equal(expiryOf([strict, headOf('a', 2, { ...bare, etag: 'W/"v"' })]), 0)
})

t.test('what does not fit the word of the index lasts for ever', async (t) => {
  t.equal(expiryOf([headOf('a', 1, { ...bare, freshUntil: 2 ** 32 * 1000 })]), 0)
  t.equal(expiryOf([]), 1, 'no head at all was never of use')
})
