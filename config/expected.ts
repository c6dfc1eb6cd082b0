import type { KeySchema } from './schema.ts'

const FORMATS: Record<string, string> = {
  'listen-address': '`host:port` or `[v6]:port`',
  'upstream-address': '`host:port` or `http(s)://host:port`',
  'address-block': 'an IP address or a CIDR block',
  path: 'a path',
}

/** What a key admits, in words: for the messages about wrong values and for the reference alike. */
export function expected(key: KeySchema): string {
  const [type, orNull] = Array.isArray(key.type) ? [key.type[0], ' or null'] : [key.type, '']
  return describe(type, key) + orNull
}

function describe(type: string, key: KeySchema): string {
  if (key.enum) return `one of ${key.enum.join(', ')}`
  if (type === 'boolean') return 'true or false'
  if (type === 'integer') return describeInteger(key)
  if (type === 'array') return `a list, each item ${key.items ? expected(key.items) : 'anything'}`
  if (type === 'object') return 'a section'
  if (key.format) return FORMATS[key.format]
  return key.minLength ? 'a text that is not empty' : 'a text'
}

function describeInteger({ minimum, maximum, unit }: KeySchema): string {
  const of =
    unit === 'bytes' ? 'bytes, ' : unit === 'ms' ? 'milliseconds, ' : unit === 'seconds' ? 'seconds, ' : ''
  const least = quantity(minimum, unit)
  const most = quantity(maximum, unit)
  if (most === null) return `an integer (${of}at least ${least})`
  return `an integer (${of}${least} to ${most})`
}

function quantity(value: number | undefined, unit: KeySchema['unit']): string | null {
  if (value === undefined) return null
  return unit === 'bytes' && value >= 1024 ? `${value} = ${binarySize(value)}` : String(value)
}

/** Writes a number of bytes in the largest binary unit that divides it: 1048576 is `1 MiB`. */
export function binarySize(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let power = 0
  while (power < units.length - 1 && bytes > 0 && bytes % 1024 === 0) {
    bytes /= 1024
    power++
  }
  return `${bytes} ${units[power]}`
}
