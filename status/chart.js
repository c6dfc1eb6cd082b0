import { clock } from './format.js'

/**
 * A chart of some series over time, drawn again with each answer. Text goes in by textContent only.
 *
 * series: { label, className, values(history) }; options: title, format (of a value), stacked (areas up to 100),
 * log (for what spans powers of ten), base (of the units: 1024 for bytes), least (the top is no less)
 */

const LEFT = 58
const RIGHT = 10
const TOP = 8
const BOTTOM = 20
/** Pixels from one mark to the next, so that their texts do not touch. */
const LEAST_APART = 62
const SVG = 'http://www.w3.org/2000/svg'
/** Seconds shown, and between two marks below. */
const SPANS = { '5m': [300, 60], '1h': [3600, 900], '24h': [86_400, 21_600] }

export function createChart(
  figure,
  { title, series, format, stacked = false, log = false, least = 1, base = 10 },
) {
  const caption = append(figure, 'figcaption')
  append(caption, 'h2').textContent = title
  const legend = append(caption, 'div', 'legend')
  const shown = series.map(({ label, className }) => {
    const item = append(legend, 'span')
    append(item, 'i', `swatch ${className}`)
    item.append(`${label} `)
    return append(item, 'b')
  })
  const svg = append(figure, 'svg')
  svg.setAttribute('role', 'img')
  let drawn
  let pointer = null

  svg.addEventListener('pointermove', (event) => {
    pointer = event.clientX - svg.getBoundingClientRect().left
    if (drawn) draw(drawn)
  })
  svg.addEventListener('pointerleave', () => {
    pointer = null
    if (drawn) draw(drawn)
  })
  new ResizeObserver(() => drawn && draw(drawn)).observe(figure)

  function draw(answer) {
    drawn = answer
    const { history, service } = answer
    const { width, height } = svg.getBoundingClientRect()
    if (width === 0) return
    const [span, step] = SPANS[history.range]
    const mark = ((width - LEFT - RIGHT) * step) / span < LEAST_APART ? 2 * step : step
    const begin = service.time - span * 1000
    const columns = series.map(({ values }) => values(history))
    const scale = verticalScale(columns, { stacked, log, least, base })
    const x = (time) => LEFT + ((width - LEFT - RIGHT) * (time - begin)) / (span * 1000)
    const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - scale.place(value))

    svg.replaceChildren()
    for (const value of scale.marks) {
      line(svg, 'gridline', LEFT, y(value), width - RIGHT, y(value))
      text(svg, format(value), LEFT - 6, y(value) + 4, 'end')
    }
    for (let ago = 0; ago <= span; ago += mark) {
      const anchor = ago === 0 ? 'end' : ago === span ? 'start' : 'middle'
      text(svg, ago === 0 ? 'now' : agoText(ago), x(service.time - ago * 1000), height - 4, anchor)
    }
    const visible = history.at.map((time) => time >= begin)
    const points = columns.map((values) =>
      values.map((value, i) => (visible[i] && value !== null ? [x(history.at[i]), y(value)] : null)),
    )
    if (stacked) drawAreas(svg, series, columns, history.at, visible, x, y)
    else for (const [i, { className }] of series.entries()) drawLine(svg, points[i], className)
    tell(history, columns, x, width, height)
  }

  /** What the legend says: the newest values, or those under the pointer. */
  function tell(history, columns, x, width, height) {
    let at = history.at.length - 1
    if (pointer !== null && pointer >= LEFT && pointer <= width - RIGHT && at >= 0) {
      at = nearest(history.at, (time) => Math.abs(x(time) - pointer))
      line(svg, 'cursor', x(history.at[at]), TOP, x(history.at[at]), height - BOTTOM)
      text(svg, clock(history.at[at]), Math.min(x(history.at[at]) + 5, width - 60), TOP + 9, 'start')
    }
    const words = series.map(({ label }, i) => {
      const value = format(columns[i][at] ?? null)
      shown[i].textContent = value
      return `${label} ${value}`
    })
    svg.setAttribute('aria-label', `${title}: ${words.join(', ')}`)
  }

  return draw
}

/** Where values are from 0, the bottom, to 1; and which are written beside it. */
function verticalScale(columns, { stacked, log, least, base }) {
  if (stacked) return { place: (value) => value / 100, marks: [0, 50, 100] }
  const most = columns.flat().reduce((top, value) => Math.max(top, value ?? 0), least)
  if (log) {
    const low = 0.1
    const decades = Math.max(1, Math.ceil(Math.log10(most / low)))
    const marks = Array.from({ length: decades + 1 }, (_, i) => low * 10 ** i)
    return { place: (value) => Math.max(0, Math.log10(Math.max(value, low) / low) / decades), marks }
  }
  const top = roundUp(most, base)
  return { place: (value) => value / top, marks: [0, top / 2, top] }
}

/** 1, 2, 4, 5 or 10 times a power of ten, of the unit that suits. */
function roundUp(value, base) {
  const unit = base === 10 ? 1 : base ** Math.floor(Math.log(value) / Math.log(base))
  const power = unit * 10 ** Math.floor(Math.log10(value / unit))
  const step = [1, 2, 4, 5, 10].find((factor) => factor * power >= value * 0.999)
  return step * power
}

/** Gaps stay gaps. */
function drawLine(svg, points, className) {
  let path = ''
  let pen = 'M'
  for (const point of points) {
    if (point) path += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`
    pen = point ? 'L' : 'M'
  }
  if (path !== '') append(svg, 'path', `series ${className}`).setAttribute('d', path)
}

/** Shares on top of each other, the first series below. An interval without a value is left out. */
function drawAreas(svg, series, columns, times, visible, x, y) {
  const below = times.map(() => 0)
  for (const [i, { className }] of series.entries()) {
    let path = ''
    for (let at = 1; at < times.length; at++) {
      const value = columns[i][at]
      if (value === null || !visible[at] || !visible[at - 1]) continue
      const [left, right] = [x(times[at - 1]).toFixed(1), x(times[at]).toFixed(1)]
      path += `M${left} ${y(below[at]).toFixed(1)}H${right}V${y(below[at] + value).toFixed(1)}H${left}Z`
      below[at] += value
    }
    if (path !== '') append(svg, 'path', `area ${className}`).setAttribute('d', path)
  }
}

function nearest(times, distance) {
  let best = 0
  for (let at = 1; at < times.length; at++) if (distance(times[at]) < distance(times[best])) best = at
  return best
}

function agoText(seconds) {
  return seconds >= 7200 ? `−${seconds / 3600} h` : `−${seconds / 60} min`
}

function line(svg, className, x1, y1, x2, y2) {
  const element = append(svg, 'line', className)
  for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) element.setAttribute(name, value.toFixed(1))
}

function text(svg, content, x, y, anchor) {
  const element = append(svg, 'text')
  element.setAttribute('x', x.toFixed(1))
  element.setAttribute('y', y.toFixed(1))
  element.setAttribute('text-anchor', anchor)
  element.textContent = content
}

function append(parent, name, className) {
  const isSvg = name === 'svg' || parent instanceof SVGElement
  const element = isSvg ? document.createElementNS(SVG, name) : document.createElement(name)
  if (className) element.setAttribute('class', className)
  parent.append(element)
  return element
}
