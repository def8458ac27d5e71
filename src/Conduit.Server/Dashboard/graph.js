// Small graphs: an area, lines over it, and what they say in words.
import { s, setAttribute, setText } from './dom.js'

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {(number | null)[]} values the newest last; null where there is none
 */

/**
 * @typedef {object} GraphOptions
 * @property {string} label what it shows
 * @property {(value: number) => string} format
 * @property {number} slots how many values fit; while there are fewer, less time is shown
 * @property {number} [least] the height that it has at least, in units of the values
 * @property {boolean} [isSmall] a mere line, without words for its values
 */

const [width, height] = [300, 60]
/** Seconds from one value to the next, and the fewest values that have the whole width. */
const [seconds, fewest] = [5, 24]

/**
 * Lines through the values; a gap where there is none.
 * @param {(number | null)[]} values
 * @param {number} top
 * @param {number} slots
 */
function trace(values, top, slots) {
  const step = width / (slots - 1)
  const left = width - (values.length - 1) * step
  let line = ''
  let area = ''
  let start = 0
  let isOn = false
  values.forEach((value, index) => {
    const x = (left + index * step).toFixed(1)
    if (value === null) {
      if (isOn) area += `L${(left + (index - 1) * step).toFixed(1)} ${height}H${start}Z`
      isOn = false
      return
    }
    const y = (height - 2 - (value / top) * (height - 6)).toFixed(1)
    line += `${isOn ? 'L' : 'M'}${x} ${y}`
    area += isOn ? `L${x} ${y}` : `M${x} ${height}V${y}`
    if (!isOn) start = Number(x)
    isOn = true
  })
  if (isOn) area += `V${height}H${start}Z`
  return { line, area }
}

/**
 * The next round number, so that the scale does not jump with each value.
 * @param {number} value
 */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 1.5, 2, 3, 5, 7.5, 10].find(step => step * power >= value) ?? 10)
}

export class Graph {
  #options
  #area = s('path', { class: 'area' })
  /** @type {SVGPathElement[]} */
  #lines = []
  #mark = s('line', { class: 'mark', y1: 0, y2: height, x1: -10, x2: -10 })
  #top = document.createElement('span')
  #note = document.createElement('span')
  #svg
  /** @type {Series[]} */
  #series = []
  #slots = fewest
  /** Which slot the pointer is over. @type {number | null} */
  #pointed = null
  /** @type {HTMLElement} */
  element

  /** @param {GraphOptions} options */
  constructor(options) {
    this.#options = options
    this.#svg = s(
      'svg',
      { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': options.label },
      this.#area,
    )
    this.element = document.createElement(options.isSmall ? 'span' : 'div')
    this.element.className = options.isSmall ? 'graph small' : 'graph'
    this.element.append(this.#svg)
    if (!options.isSmall) {
      this.#svg.append(this.#mark)
      this.#top.className = 'top'
      this.#note.className = 'note'
      this.#top.setAttribute('aria-hidden', 'true')
      this.#note.setAttribute('aria-hidden', 'true')
      this.element.append(this.#top, this.#note)
      this.element.addEventListener('pointermove', event => this.#point(event))
      this.element.addEventListener('pointerleave', () => this.#point(null))
    }
  }

  /** @param {PointerEvent | null} event */
  #point(event) {
    if (event === null) {
      this.#pointed = null
    } else {
      const box = this.#svg.getBoundingClientRect()
      this.#pointed = Math.round(((event.clientX - box.left) / box.width) * (this.#slots - 1))
    }
    this.#tell()
  }

  #tell() {
    const { format } = this.#options
    const slot = this.#pointed
    const parts = this.#series.flatMap(({ name, values }) => {
      const value = slot === null ? null : values[slot - (this.#slots - values.length)]
      return value === null || value === undefined ? [] : [this.#series.length > 1 ? `${name} ${format(value)}` : format(value)]
    })
    const x = slot === null || parts.length === 0 ? -10 : (slot * width) / (this.#slots - 1)
    setAttribute(this.#mark, 'x1', String(x))
    setAttribute(this.#mark, 'x2', String(x))
    setText(this.#note, parts.join(' · ') || `${Math.round((this.#slots * seconds) / 60)} min`)
  }

  /**
   * @param {Series[]} series the first is the highest, and gets the area
   */
  draw(series) {
    const { format, label, least = 0, isSmall } = this.#options
    const present = series.flatMap(each => each.values).filter(value => value !== null)
    const highest = Math.max(...present, least)
    const top = highest > 0 ? roundUp(highest) : 1
    this.#series = series
    this.#slots = Math.min(this.#options.slots, Math.max(fewest, ...series.map(each => each.values.length)))
    series.forEach((each, index) => {
      const { line, area } = trace(each.values, top, this.#slots)
      if (!this.#lines[index]) {
        this.#lines[index] = s('path', { class: `line line-${index}` })
        this.#svg.append(this.#lines[index])
      }
      setAttribute(this.#lines[index], 'd', line)
      if (index === 0) setAttribute(this.#area, 'd', area)
    })
    const words = series
      .map(({ name, values }) => {
        const numbers = values.filter(value => value !== null)
        const last = numbers.at(-1)
        return last === undefined ? `${name}: no values yet` : `${name}: ${format(last)} now, ${format(Math.max(...numbers))} at most`
      })
      .join('; ')
    setAttribute(this.#svg, 'aria-label', `${label}. ${words}`)
    if (!isSmall) {
      setText(this.#top, present.length > 0 ? format(top) : '')
      this.#tell()
    }
  }
}
