import { bytes, percent } from './format.js'

/** The regions of the raw disk in the order of the device, as squares: see `rawDisk` in docs/status.md. */

const STATES = ['clean', 'open', 'sealed']
/** CSS pixels. */
const HEIGHT = 150
const LARGEST = 16
const SMALLEST = 3

export function createRegionMap(canvas, summary, told) {
  let drawn
  let grid

  new ResizeObserver(() => drawn && draw(drawn)).observe(canvas.parentElement)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawn && draw(drawn))
  canvas.addEventListener('pointermove', ({ offsetX, offsetY }) => {
    if (!drawn) return
    const { cell, across } = grid
    const column = Math.floor(offsetX / cell)
    const at = Math.floor(offsetY / cell) * across + column
    told.textContent = column < across && at < drawn.states.length ? cellText(drawn, at) : ''
  })
  canvas.addEventListener('pointerleave', () => {
    told.textContent = ''
  })

  function draw(map) {
    drawn = map
    const width =
      canvas.parentElement.clientWidth -
      2 * Number.parseFloat(getComputedStyle(canvas.parentElement).paddingLeft)
    if (width <= 0) return
    const { states, live } = map
    const cell = Math.max(
      SMALLEST,
      Math.min(LARGEST, Math.floor(Math.sqrt((width * HEIGHT) / states.length))),
    )
    const across = Math.max(1, Math.floor(width / cell))
    grid = { cell, across }
    const height = Math.ceil(states.length / across) * cell
    const dense = window.devicePixelRatio || 1
    canvas.width = Math.round(width * dense)
    canvas.height = Math.round(height * dense)
    canvas.style.height = `${height}px`
    const context = canvas.getContext('2d')
    context.scale(dense, dense)
    const colours = readColours()
    const gap = cell > 5 ? 1 : 0
    for (let at = 0; at < states.length; at++) {
      const left = (at % across) * cell
      const top = Math.floor(at / across) * cell
      const inner = cell - gap
      if (states[at] === 0) {
        context.fillStyle = colours.cleanLine
        context.fillRect(left, top, inner, inner)
        context.fillStyle = colours.clean
        if (inner > 2) context.fillRect(left + 1, top + 1, inner - 2, inner - 2)
      } else {
        context.fillStyle = states[at] === 1 ? colours.open : colours.sealed(live[at] / 255)
        context.fillRect(left, top, inner, inner)
      }
    }
  }

  return ({ rawDisk }) => {
    const map = { ...rawDisk, states: decode(rawDisk.cellStates), live: decode(rawDisk.cellLive) }
    const words = summaryText(rawDisk)
    summary.textContent = words
    canvas.setAttribute('aria-label', words)
    draw(map)
  }
}

function summaryText(disk) {
  const { regions, cleanRegions, regionsPerCell, liveBytes, deadBytes, entries } = disk
  const each = regionsPerCell > 1 ? `; ${regionsPerCell} regions to a square` : ''
  const trouble = disk.offline ? ' Given up for now: the device failed too often.' : ''
  const state = disk.recovering ? ' Reading what earlier lives left.' : ''
  const alive = percent((100 * liveBytes) / (liveBytes + deadBytes || 1))
  return `${regions.toLocaleString('en')} regions, ${cleanRegions.toLocaleString('en')} of them clean${each}. ${entries.toLocaleString('en')} entries of ${bytes(liveBytes)}: ${alive} of what is written is live.${state}${trouble}`
}

function cellText({ states, live, regions, regionsPerCell }, at) {
  const first = at * regionsPerCell
  const last = Math.min(first + regionsPerCell, regions) - 1
  const name = first === last ? `region ${first}` : `regions ${first} to ${last}`
  const share = states[at] === 0 ? '' : `, ${percent(Math.round((100 * live[at]) / 255))} live`
  return `${name}: ${STATES[states[at]]}${share}`
}

function readColours() {
  const style = getComputedStyle(document.documentElement)
  const colour = (name) => style.getPropertyValue(`--${name}`).trim()
  const [dead, live] = [rgb(colour('dead')), rgb(colour('live'))]
  return {
    clean: colour('clean'),
    cleanLine: colour('clean-line'),
    open: colour('open'),
    sealed: (share) =>
      `rgb(${dead.map((value, i) => Math.round(value + (live[i] - value) * share)).join(' ')})`,
  }
}

/** Of `#rrggbb`. */
function rgb(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
}

function decode(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}
