// What state a backend is in: one word for all that the API says of it, with a sign and a colour.
import { s } from './dom.js'
/** @import { Backend } from './wire.js' */

/** @typedef {'good' | 'warn' | 'bad' | 'quiet'} Tone */

/**
 * @typedef {object} State
 * @property {string} word what is shown
 * @property {Tone} tone
 * @property {string} sign the path of its sign
 * @property {number} rank the gravest first
 */

const signs = {
  disc: 'M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3Z',
  ring: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm0 2.4a3.6 3.6 0 1 0 0 7.2 3.6 3.6 0 0 0 0-7.2Z',
  cross: 'm4.2 2.8 3.8 3.8 3.8-3.8 1.4 1.4L9.4 8l3.8 3.8-1.4 1.4L8 9.4l-3.8 3.8-1.4-1.4L6.6 8 2.8 4.2Z',
  pause: 'M4 3h3v10H4Zm5 0h3v10H9Z',
  down: 'M8 13 2.5 6h11Z M3 2.5h10v1.8H3Z',
  square: 'M3.5 3.5h9v9h-9Zm1.8 1.8v5.4h5.4V5.3Z',
  triangle: 'M8 2 14.5 13.5h-13Z',
  half: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm0 2v8a4 4 0 0 0 0-8Z',
}

/** @type {Record<string, State>} */
const known = {
  down: { word: 'down', tone: 'bad', sign: signs.cross, rank: 0 },
  'breaker open': { word: 'breaker open', tone: 'bad', sign: signs.triangle, rank: 1 },
  ejected: { word: 'ejected', tone: 'bad', sign: signs.triangle, rank: 2 },
  'breaker half-open': { word: 'breaker half-open', tone: 'warn', sign: signs.half, rank: 3 },
  draining: { word: 'draining', tone: 'warn', sign: signs.down, rank: 5 },
  'not ready': { word: 'not ready', tone: 'quiet', sign: signs.pause, rank: 6 },
  disabled: { word: 'disabled', tone: 'quiet', sign: signs.square, rank: 7 },
  unproven: { word: 'unproven', tone: 'quiet', sign: signs.ring, rank: 8 },
  ready: { word: 'ready', tone: 'good', sign: signs.disc, rank: 9 },
}

/**
 * @param {string} word
 * @returns {State}
 */
const named = word => known[word] ?? { word, tone: 'warn', sign: signs.half, rank: 4 }

/**
 * What an operator said comes first, then what keeps traffic away.
 * @param {Backend} backend
 * @returns {State}
 */
export function stateOf(backend) {
  if (backend.state !== 'ready') return named(backend.state.replace('-', ' '))
  if (backend.health === 'down') return named('down')
  if (backend.ejected) return named('ejected')
  if (backend.breaker && backend.breaker !== 'closed') return named(`breaker ${backend.breaker}`)
  return named(backend.health === 'up' ? 'ready' : backend.health)
}

/**
 * Whether it is out for a reason that nobody asked for.
 * @param {Backend} backend
 */
export const isInTrouble = backend => stateOf(backend).rank < 5

export class StateBadge {
  #path = s('path')
  #word = document.createElement('span')
  element = document.createElement('span')

  constructor() {
    this.element.className = 'state'
    this.element.append(
      s('svg', { viewBox: '0 0 16 16', class: 'sign', 'aria-hidden': 'true' }, this.#path),
      this.#word,
    )
  }

  /** @param {State} state */
  show(state) {
    if (this.#word.textContent === state.word) return
    this.#word.textContent = state.word
    this.#path.setAttribute('d', state.sign)
    this.element.dataset.tone = state.tone
  }
}
