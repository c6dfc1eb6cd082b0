/** The shell blocks of a page in Markdown, and what the comment before each says of running it. */
export interface Block {
  file: string
  /** Of the fence, from 1. */
  line: number
  language: string
  text: string
  /** What the comment on the line before says; null when there is none. */
  marker: string | null
}

/**
 * - `run`: the block is run, and exits with 0; what a `console` block shows of the output is compared
 * - `run needs=a,b`: the same, where these commands exist
 * - `run background`: its last line is a program that is left running until the end of the page
 * - `other machine: why`: not run
 */
export type Order =
  | { kind: 'run'; needs: string[]; background: boolean }
  | { kind: 'other machine'; why: string }

/** One command of a `console` block with the output that is shown; or a whole script, of which none is. */
export interface Step {
  script: string
  /** Lines that the output must have, in this order; there may be others between them. */
  shown: string[]
}

const SHELLS = new Set(['bash', 'sh', 'shell', 'console'])

/** All fenced blocks of a page. */
export function fencedBlocks(file: string, page: string): Block[] {
  const found: Block[] = []
  const lines = page.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const [, indent, language] = /^( *)```([\w-]*)/.exec(lines[i]) ?? []
    if (language === undefined) continue
    const start = i
    const text: string[] = []
    for (i++; i < lines.length && !/^ *```\s*$/.test(lines[i]); i++) text.push(lines[i].replace(indent, ''))
    const marker = /^\s*<!--\s*(.*?)\s*-->\s*$/.exec(lines[start - 1] ?? '')?.[1] ?? null
    found.push({ file, line: start + 1, language, text: text.join('\n'), marker })
  }
  return found
}

export function shellBlocks(file: string, page: string): Block[] {
  return fencedBlocks(file, page).filter(({ language }) => SHELLS.has(language))
}

/** null: the block is not marked, or in words that mean nothing. */
export function orderOf({ marker }: Block): Order | null {
  const why = /^other machine: (\S.*)$/.exec(marker ?? '')?.[1]
  if (why !== undefined) return { kind: 'other machine', why }
  const [word, ...details] = (marker ?? '').split(' ')
  if (word !== 'run') return null
  const order: Order = { kind: 'run', needs: [], background: false }
  for (const detail of details) {
    if (detail === 'background') order.background = true
    else if (detail.startsWith('needs=')) order.needs = detail.slice('needs='.length).split(',')
    else return null
  }
  return order
}

export function stepsOf({ language, text }: Block): Step[] {
  if (language !== 'console') return [{ script: text, shown: [] }]
  const steps: Step[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('$ ')) steps.push({ script: line.slice(2), shown: [] })
    else if (line.trim() !== '') steps.at(-1)?.shown.push(line)
  }
  return steps
}

/** Command lines of a script: without comments, the text of here-documents and the rest of continued lines. */
export function commandLines(script: string): string[] {
  const found: string[] = []
  let end: string | undefined
  let continued = false
  for (const line of script.split('\n')) {
    if (end !== undefined) {
      if (line.trim() === end) end = undefined
      continue
    }
    end = /<<-?\s*['"]?(\w+)/.exec(line)?.[1]
    if (!continued && line.trim() !== '' && !line.trim().startsWith('#')) found.push(line.trim())
    continued = line.endsWith('\\')
  }
  return found
}

/**
 * The first shown line that the output does not have where it should. Ages, lifetimes and numbers with a point (versions, seconds, sizes)
 * stand for any other, `…` for anything.
 */
export function missingLine(shown: string[], output: string): string | undefined {
  const lines = output.split(/\r?\n/)
  let at = 0
  return shown.find((line) => {
    const pattern = new RegExp(`^${shape(line.trimEnd())}\\s*$`)
    const found = lines.findIndex((each, index) => index >= at && pattern.test(each))
    if (found === -1) return true
    at = found + 1
    return false
  })
}

function shape(line: string): string {
  return line
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/(?<=^Age: |ttl=)\d+|\d+(\\\.\d+)+/g, '[\\d.]+')
    .replace(/ +/g, ' +')
    .replaceAll('…', '.*')
}
