import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { get } from '../helpers/client.ts'
import { root, runNode } from '../server/run.ts'

const example = readFileSync(join(root, 'demo/routes.ts'), 'utf8')

t.test(
  'the example of the README is this one, as it is written where the package is installed',
  async (t) => {
    const shown = example
      .replace(/^\/\/.*\n/, '')
      .replaceAll(/'\.\.\/plugins\/(.*?)\.ts'/g, "'slicestream/$1'")
      .trim()
    t.ok(readFileSync(join(root, 'README.md'), 'utf8').includes(`\`\`\`ts\n${shown}\n\`\`\``))
  },
)

t.test('it does what its comments say', async (t) => {
  const run = runNode(t, ['demo/routes.ts'], { PORT: '0' })
  await run.until('http://')
  const url = /http:\S+/.exec(run.output.stdout)![0]

  const first = await get(`${url}/prices`)
  t.equal(first.header('x-cache'), 'MISS')
  const second = await get(`${url}/prices`)
  t.equal(second.header('x-cache'), 'HIT')
  t.ok(second.body.equals(first.body))
  const headers = { 'Content-Type': 'application/json' }
  t.equal((await get(`${url}/prices`, { method: 'POST', headers, body: '{"apple":4}' })).status, 200)
  t.equal(JSON.parse(String((await get(`${url}/prices`)).body)).apple, 4)

  const film = await get(`${url}/film`)
  t.equal(film.length, 3 * 1024 * 1024)
  const scene = await get(`${url}/film`, { range: 'bytes=2000000-2000099' })
  t.equal(scene.status, 206)
  t.equal(scene.header('x-cache'), 'HIT')
  t.ok(scene.body.equals(film.body.subarray(2_000_000, 2_000_100)))

  for (const path of ['/me', '/status']) {
    await get(`${url}${path}`)
    t.not((await get(`${url}${path}`)).header('x-cache'), 'HIT', path)
  }
})
