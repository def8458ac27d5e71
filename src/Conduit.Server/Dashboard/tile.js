// A number with what is to be said of it, and its graph.
import { h, setAttribute, setText } from './dom.js'
import * as format from './format.js'
import { Graph } from './graph.js'
/** @import { GraphOptions, Series } from './graph.js' */
/** @import { Tone } from './states.js' */

/**
 * @param {string} title
 * @param {string} unit
 */
export const tileElement = (title, unit) =>
  h(
    'section',
    { class: 'tile' },
    h('h2', {}, title),
    h('p', { class: 'figure' }, h('b', {}, format.nothing), h('span', { class: 'unit' }, unit)),
    h('p', { class: 'detail' }),
  )

export class Tile {
  #figure
  #detail
  #graph

  /**
   * @param {HTMLElement} element as `tileElement` makes it
   * @param {GraphOptions} [options]
   */
  constructor(element, options) {
    this.element = element
    this.#figure = /** @type {HTMLElement} */ (element.querySelector('b'))
    this.#detail = element.querySelector('.detail')
    this.#graph = options && new Graph(options)
    if (this.#graph) element.append(this.#graph.element)
  }

  /**
   * @param {string} figure
   * @param {string} detail
   * @param {Tone | null} [tone]
   */
  show(figure, detail, tone = null) {
    setText(this.#figure, figure)
    if (this.#detail) setText(this.#detail, detail)
    setAttribute(this.element, 'data-tone', tone)
  }

  /** @param {Series[]} series */
  draw(series) {
    this.#graph?.draw(series)
  }
}
