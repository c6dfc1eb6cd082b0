import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { faultOf, rangeHeader, type Spec } from './expected.ts'

const S = 64 * 1024
const file = bytesOf(11, 15 * S + 99)

/** What has no strong validator comes in one transfer or not at all: no slice may be fetched by itself. */
const WEAK = { etag: 'W/"1"', lastModified: null, ranges: false }

const cases: Record<string, Spec[]> = {
  'far apart': [
    { first: 0, last: 10 },
    { first: 6 * S, last: 6 * S + 10 },
    { first: 12 * S, last: 12 * S + 10 },
  ],
  'out of order': [{ first: 5 * S, last: 5 * S + 10 }, { suffix: 5 }, { first: S + 9, last: S + 19 }],
}

// Parts of it that came late were cut where a full memory had lost their slices meanwhile.
for (const [name, specs] of Object.entries(cases)) {
  t.test(
    `several ranges ${name}, of what has only a weak validator: the whole while it comes, then parts`,
    async (t) => {
      const origin = await fileOrigin(t, { '/f': file }, WEAK)
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
      const first = await get(`${proxy.url}/f`, { range: rangeHeader(specs) })
      t.equal(first.status, 200)
      t.ok(first.body.equals(file))
      const answer = await get(`${proxy.url}/f`, { range: rangeHeader(specs) })
      t.equal(faultOf(answer, file, specs), undefined)
      t.equal(answer.status, 206)
      t.equal(origin.requests.length, 1)
    },
  )
}

t.test(
  'several ranges of what a full memory keeps only in part, with a weak validator, are answered whole',
  async (t) => {
    const origin = await fileOrigin(t, { '/f': file, '/other': bytesOf(12, 9 * S) }, WEAK)
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l1: 12 * S })
    await get(`${proxy.url}/other`)
    const { status, body, complete } = await get(`${proxy.url}/f`, {
      range: rangeHeader([{ suffix: 5 }, { first: S, last: S + 10 }]),
    })
    t.ok(complete)
    t.equal(status, 200)
    t.ok(body.equals(file))
  },
)
