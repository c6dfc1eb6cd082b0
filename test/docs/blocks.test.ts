import t from 'tap'
import { commandLines, missingLine, orderOf, shellBlocks, stepsOf } from './blocks.ts'

const PAGE = `
<!-- run needs=curl,flock -->
\`\`\`bash
# a comment
cat > file <<'END'
# not a command
END
curl -s \\
  localhost
\`\`\`

\`\`\`yaml
a: 1
\`\`\`

\`\`\`sh
rm file
\`\`\`

<!-- other machine: it has no disk -->
\`\`\`console
$ date
Monday 3
…
$ true
\`\`\`
`

t.test('blocks of a page, their markers and their commands', async (t) => {
  const [first, unmarked, last] = shellBlocks('page.md', PAGE)
  t.same(orderOf(first), { kind: 'run', needs: ['curl', 'flock'], background: false })
  t.equal(first.line, 3)
  t.same(commandLines(first.text), ["cat > file <<'END'", 'curl -s \\'])
  t.equal(orderOf(unmarked), null)
  t.equal(orderOf({ ...first, marker: 'run sometimes' }), null)
  t.equal(orderOf({ ...first, marker: 'other machine:' }), null)
  t.same(orderOf(last), { kind: 'other machine', why: 'it has no disk' })
  t.same(stepsOf(last), [
    { script: 'date', shown: ['Monday 3', '…'] },
    { script: 'true', shown: [] },
  ])
  t.same(shellBlocks('empty.md', '# nothing\n'), [])
})

t.test(
  'output is compared in shape: ages and decimals may differ, lines may be left out, nothing else may',
  async (t) => {
    const output = 'HTTP/1.1 206 Partial Content\r\nAge: 77\r\nX-Cache: HIT\r\n'
    t.equal(missingLine(['HTTP/1.1 206 Partial Content', 'X-Cache: HIT'], output), undefined)
    t.equal(missingLine(['Age: 1', 'X-…: HIT'], output), undefined)
    t.equal(missingLine(['X-Cache: MISS'], output), 'X-Cache: MISS')
    t.equal(missingLine(['HTTP/1.1 200 …'], output), 'HTTP/1.1 200 …')
    t.equal(missingLine(['v26.10.0', '0.1 MiB'], 'v24.1.12\n32.0 MiB\n'), undefined)
    t.equal(missingLine(['X-Cache: HIT', 'Age: 77'], output), 'Age: 77', 'in another order')
  },
)
