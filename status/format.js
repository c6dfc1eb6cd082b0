/** How figures are written. What is not known is a dash. */

const NONE = '–'
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Three digits that say something. */
export function number(value) {
  if (value === null || value === undefined) return NONE
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size < 0.01) return '< 0.01'
  if (size < 10) return trimmed(value.toFixed(2))
  if (size < 100) return trimmed(value.toFixed(1))
  return Math.round(value).toLocaleString('en')
}

function trimmed(text) {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

/** A size in the unit that suits it: `{ value, unit }`. */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return { value: NONE, unit: '' }
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return { value: number(value), unit: UNITS[unit] }
}

export function bytes(count) {
  const { value, unit } = size(count)
  return unit ? `${value} ${unit}` : value
}

export function bytesPerSecond(count) {
  return `${bytes(count)}/s`
}

/** Milliseconds, or seconds from one on. */
export function milliseconds(value) {
  if (value === null || value === undefined) return NONE
  return value >= 1000 ? `${number(value / 1000)} s` : `${number(value)} ms`
}

export function percent(value) {
  return value === null || value === undefined ? NONE : `${number(value)} %`
}

/** 3 s, 12 min, 5 h, 2 days: one unit below, two above a minute. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days ${hours % 24} h`
}

/** Time of day. */
export function clock(time) {
  return new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' })
}
