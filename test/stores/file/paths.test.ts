import t from 'tap'
import { HEADS } from '../../../lib/stores/entry-index.ts'
import { directoryOf, entryPath, objectOf, parseName } from '../../../lib/stores/file/paths.ts'

const object = objectOf('a')
const directory = directoryOf(object)

t.test('a name says of what it is the entry', async (t) => {
  for (const name of [
    { object, generation: HEADS, index: 0 },
    { object, generation: 0, index: 0 },
    { object, generation: Number.MAX_SAFE_INTEGER, index: 4294967295 },
  ]) {
    const path = entryPath(name.object, name.generation, name.index)
    t.same(parseName(directory, path.slice(directory.length + 1)), name)
  }
})

t.test('other names are not ours', async (t) => {
  for (const name of [
    'README',
    `${object}`,
    `${object}.heads~`,
    `${object}.slice`,
    `${object}.1.slice`,
    `${object}.01.1.slice`,
    `${object}.-1.0.slice`,
    `${object.toUpperCase()}.heads`,
    `${objectOf('b')}.heads`, // of another directory
  ]) {
    t.equal(parseName(directory, name), undefined, name)
  }
})
