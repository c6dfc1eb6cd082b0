import {
  CORE_SCHEMA,
  constructFromEvents,
  EVENT_ID,
  getScalarValue,
  parseEvents,
  YAMLException,
} from 'js-yaml'

/** A YAML file read: its value, and where in the file each key stands. */
export interface YamlFile {
  value: unknown
  /** Line (from 1) of each key and list item, by dotted path: `purge.enabled`, `slice_patterns.0`. */
  lines: ReadonlyMap<string, number>
  /** Keys written again in the same mapping. */
  duplicates: readonly { key: string; line: number; firstLine: number }[]
}

/** What is wrong with the text itself; nothing more can be said of such a file. */
export interface YamlSyntaxError {
  line: number
  reason: string
}

type Event = ReturnType<typeof parseEvents>[number]

/** Reads one YAML 1.2 document. An empty one is null. */
export function readYaml(text: string): YamlFile | YamlSyntaxError {
  try {
    const events = parseEvents(text, {})
    const second = events.filter((event) => event.type === EVENT_ID.DOCUMENT).length > 1
    if (second) return { line: lineAt(text, text.lastIndexOf('\n---') + 1), reason: 'more than one document' }
    // `json` lets a later duplicate win instead of throwing at the first: we report all of them.
    const [value = null] = constructFromEvents(events, { source: text, schema: CORE_SCHEMA, json: true })
    return { value, ...locate(events, text) }
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error
    return { line: (error.mark?.line ?? 0) + 1, reason: error.reason }
  }
}

/** Walks the parser's events, which alone know the offsets, in the order in which the value was built from them. */
function locate(events: readonly Event[], text: string): Pick<YamlFile, 'lines' | 'duplicates'> {
  const lines = new Map<string, number>()
  const duplicates: { key: string; line: number; firstLine: number }[] = []
  let next = 1 // events[0] opens the document

  function walk(path: string): void {
    const event = events[next++]
    if (event?.type === EVENT_ID.MAPPING) {
      while (events[next].type !== EVENT_ID.POP) walkPair(path)
      next++
    } else if (event?.type === EVENT_ID.SEQUENCE) {
      for (let index = 0; events[next].type !== EVENT_ID.POP; index++) {
        const item = join(path, String(index))
        lines.set(item, lineAt(text, offsetOf(events[next])))
        walk(item)
      }
      next++
    }
  }

  function walkPair(path: string): void {
    const event = events[next++]
    // A key that is no scalar never gets here: building the value refused it.
    const key = join(path, event.type === EVENT_ID.SCALAR ? getScalarValue(text, event) : '?')
    const line = lineAt(text, offsetOf(event))
    const firstLine = lines.get(key)
    if (firstLine !== undefined) duplicates.push({ key, line, firstLine })
    lines.set(key, line)
    walk(key)
  }

  walk('')
  return { lines, duplicates }
}

/** Joins the parts of a dotted path. */
export function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function offsetOf(event: Event): number {
  if (event.type === EVENT_ID.SCALAR) return event.valueStart
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart
  return event.type === EVENT_ID.SEQUENCE || event.type === EVENT_ID.MAPPING ? event.start : 0
}

function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++
  return line
}
