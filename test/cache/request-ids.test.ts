import t from 'tap'
import { newRequestId } from '../../lib/cache/request-ids.ts'

/** RFC 9562 section 5.4: version 4, and the variant of that RFC. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

t.test('ids are UUIDs of random bits, and no two are the same', async (t) => {
  const ids = Array.from({ length: 1000 }, newRequestId)
  for (const id of ids) if (!UUID.test(id)) t.fail(id)
  t.equal(new Set(ids).size, ids.length)
  // Each digit that is random is each of the sixteen somewhere: that one is missing has a chance of 1 in 10^26.
  for (let at = 0; at < 36; at++) {
    if ([8, 13, 14, 18, 19, 23].includes(at)) continue
    t.equal(new Set(ids.map((id) => id[at])).size, 16, `digit ${at}`)
  }
})
