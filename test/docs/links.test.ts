import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'

/** Links between pages lead to files that are there, and to headings that they have. */

const root = join(import.meta.dirname, '../..')
const pages = globSync(['*.md', 'docs/*.md', 'bench/*.md', '{deploy,docker,examples}/**/*.md'], {
  cwd: root,
}).sort()

interface Link {
  from: string
  target: string
}

function linksOf(page: string): Link[] {
  const text = readFileSync(join(root, page), 'utf8')
    .replace(/^ *```[\s\S]*?^ *```/gm, '')
    .replace(/`[^`\n]*`/g, (code) => (code.includes('](') ? '' : code))
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => ({ from: page, target }))
    .filter(({ target }) => !/^[a-z]+:/.test(target))
}

/** As GitHub makes them: lower case, without punctuation, hyphens for spaces. */
function anchorsOf(page: string): Set<string> {
  const text = readFileSync(join(root, page), 'utf8').replace(/^ *```[\s\S]*?^ *```/gm, '')
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
  return new Set(headings)
}

function whyBroken({ from, target }: Link): string | null {
  const [path, anchor] = target.split('#')
  const file = path === '' ? from : normalize(join(dirname(from), path))
  if (!existsSync(join(root, file))) return 'no such file'
  if (anchor === undefined || statSync(join(root, file)).isDirectory() || !file.endsWith('.md')) return null
  return anchorsOf(file).has(decodeURIComponent(anchor)) ? null : 'no such heading'
}

for (const page of pages) {
  t.test(page, async (t) => {
    const broken = linksOf(page).flatMap((link) => {
      const why = whyBroken(link)
      return why === null ? [] : [`${link.target}: ${why}`]
    })
    t.same(broken, [])
  })
}

t.test('the reader of links sees them', async (t) => {
  t.ok(pages.length > 10)
  t.ok(linksOf('README.md').length > 15)
  t.equal(whyBroken({ from: 'README.md', target: 'docs/none.md' }), 'no such file')
  t.equal(whyBroken({ from: 'README.md', target: 'docs/purge.md#none' }), 'no such heading')
})
