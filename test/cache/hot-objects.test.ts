import t from 'tap'
import { createHotObjects, type HotObjects } from '../../lib/cache/hot-objects.ts'
import { createRandom } from '../helpers/random.ts'

const target = (path: string) => ({ scheme: 'http', authority: 'a.example', path })

function see(hot: HotObjects, path: string, times: number): void {
  for (let i = 0; i < times; i++) hot.see(target(path))
}

const names = (hot: HotObjects, limit = 10) => hot.top(limit).map((object) => object.target)

t.test('nothing is counted before somebody wants to know', async (t) => {
  const hot = createHotObjects()
  see(hot, '/a', 10)
  hot.tick(1)
  t.same(hot.top(10), [])
  hot.start()
  see(hot, '/a', 1)
  t.same(names(hot), ['http://a.example/a'])
})

t.test('the most asked for come first, all queries of a path as one', async (t) => {
  const hot = createHotObjects()
  hot.start()
  see(hot, '/rare', 1)
  for (let i = 0; i < 5; i++) see(hot, `/search?q=${i}`, 1)
  see(hot, '/some', 3)
  t.same(names(hot), ['http://a.example/search', 'http://a.example/some', 'http://a.example/rare'])
  t.same(names(hot, 1), ['http://a.example/search'])
})

t.test('counts fade: what was asked for a lot yields to what is asked for now', async (t) => {
  const hot = createHotObjects()
  hot.start()
  see(hot, '/old', 100)
  for (let second = 0; second < 300; second++) hot.tick(1)
  see(hot, '/new', 10)
  t.same(names(hot), ['http://a.example/new', 'http://a.example/old'])
  for (let second = 0; second < 3600; second++) hot.tick(1)
  t.same(hot.top(10), [], 'what nobody asks for is forgotten')
})

t.test('a steady rate is told in requests a minute', async (t) => {
  const hot = createHotObjects()
  hot.start()
  for (let second = 0; second < 600; second++) {
    see(hot, '/steady', 2)
    hot.tick(1)
  }
  const [{ requestsPerMinute }] = hot.top(1)
  t.ok(Math.abs(requestsPerMinute - 120) < 3, `${requestsPerMinute}`)
})

t.test('of many requests every 16th is counted, which objects that take turns do not notice', async (t) => {
  const random = createRandom(3)
  const hot = createHotObjects(() => random.below(1_000_000) / 1_000_000)
  hot.start()
  for (let second = 0; second < 120; second++) {
    for (let i = 0; i < 16 * 200; i++) hot.see(target(`/${i % 16}`))
    hot.tick(1)
  }
  const top = hot.top(20)
  t.equal(top.length, 16)
  const expected = 60 * 200 * (1 - 2 ** -2) // after two half-lives
  for (const { requestsPerMinute } of top) {
    t.ok(Math.abs(requestsPerMinute / expected - 1) < 0.2, `${requestsPerMinute}`)
  }
})

t.test('a flood of objects that are asked for once does not push out the hot ones', async (t) => {
  const hot = createHotObjects()
  hot.start()
  for (let i = 0; i < 20_000; i++) {
    hot.see(target(`/once/${i}`))
    if (i % 50 === 0) see(hot, '/hot', 1)
    if (i % 100 === 0) see(hot, '/warm', 1)
  }
  t.same(names(hot, 2), ['http://a.example/hot', 'http://a.example/warm'])
  t.ok(hot.top(1000).length <= 256)
  const [, , once] = hot.top(3)
  t.ok(once.requestsPerMinute < 2, 'counts of those that had the place before are not its own')
})
