import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { faultOf, rangeHeader, type Spec } from './expected.ts'

const S = 64 * 1024
const SPECS: Spec[] = [
  { first: 0, last: 0 },
  { first: 0, last: null },
  { suffix: 1 },
  { suffix: 10 * S },
  { first: S - 1, last: S },
  { first: S, last: 2 * S - 1 },
  { first: 2 * S - 1, last: null },
]

for (const chunked of [false, true]) {
  for (const size of [0, 1, 2, S - 1, S, S + 1, 2 * S - 1, 2 * S, 2 * S + 1, 3 * S]) {
    t.test(
      `B13: ${size} bytes${chunked ? ', chunked' : ''}: whole and by ranges, cold and warm`,
      async (t) => {
        const origin = await fileOrigin(t, {}, { chunked })
        const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l2: 64 * 1024 * 1024 })
        const file = bytesOf(size, size)
        origin.files['/whole'] = file
        for (const xCache of ['MISS', 'HIT']) {
          const answer = await get(`${proxy.url}/whole`)
          t.match(answer, { status: 200, complete: true, length: size })
          t.equal(answer.header('x-cache'), xCache)
          t.ok(answer.body.equals(file))
          if (xCache === 'HIT') t.equal(answer.header('content-length'), String(size))
        }
        t.equal(origin.requests.length, 1)
        for (const [i, spec] of SPECS.entries()) {
          origin.files[`/${i}`] = file
          const range = rangeHeader([spec])
          for (const path of [`/${i}`, `/${i}`, '/whole']) {
            t.equal(
              faultOf(await get(proxy.url + path, { range }), file, [spec]),
              undefined,
              `${range} of ${path}`,
            )
          }
          t.ok((await get(`${proxy.url}/${i}`)).body.equals(file), 'and whole after it')
        }
      },
    )
  }
}
