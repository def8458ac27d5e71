// The table of backends. Rows have one height, and only those in sight are in the page.
import { h, setAttribute, setText } from './dom.js'
import * as format from './format.js'
import { Graph } from './graph.js'
import { StateBadge, isInTrouble, stateOf } from './states.js'
import { keyOf, trendLength } from './store.js'
/** @import { Store } from './store.js' */
/** @import { Backend } from './wire.js' */

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} title
 * @property {string} [kind] further classes
 * @property {(backend: Backend) => string | number} [order] what it is sorted by
 * @property {boolean} [isFallingFirst] the largest are looked for first
 * @property {string} [short] its title where there is no head
 */

/** @param {Backend} backend */
const lately = backend => backend.recent['10s']

/** @type {Column[]} */
const columns = [
  { key: 'state-cell', title: 'State', order: backend => stateOf(backend).rank },
  { key: 'name', title: 'Backend', order: backend => backend.id },
  { key: 'pool', title: 'Pool', order: backend => backend.pool },
  { key: 'weight', title: 'Weight', kind: 'number', order: backend => backend.weight, isFallingFirst: true },
  { key: 'flight', title: 'In flight', kind: 'number', short: 'in flight', order: backend => backend.in_flight, isFallingFirst: true },
  { key: 'rate', title: 'Req/s', kind: 'number', short: 'req/s', order: backend => lately(backend).requests_per_second, isFallingFirst: true },
  { key: 'trend', title: 'Last 5 min' },
  { key: 'errors', title: 'Errors', kind: 'number', short: 'errors', order: backend => lately(backend).error_ratio ?? -1, isFallingFirst: true },
  { key: 'p50', title: 'p50', kind: 'number', order: backend => lately(backend).latency_ms.p50 ?? -1, isFallingFirst: true },
  { key: 'p99', title: 'p99', kind: 'number', short: 'p99', order: backend => lately(backend).latency_ms.p99 ?? -1, isFallingFirst: true },
  { key: 'reason', title: 'Last failure', order: backend => backend.last_failure_at ?? '', isFallingFirst: true },
  { key: 'seen', title: 'Last check', order: backend => backend.last_check_at ?? '', isFallingFirst: true },
  { key: 'act', title: 'Actions', kind: 'changes' },
]

/** @param {Backend} backend */
export const addressOf = backend => `#/backends/${encodeURIComponent(backend.pool)}/${encodeURIComponent(backend.id)}`

/** One row, made for one backend and kept while it is in sight. */
class Row {
  element
  #cells
  #state = new StateBadge()
  #link = h('a')
  #url = h('span', { class: 'url' })
  #values = /** @type {Map<string, HTMLElement>} */ (new Map())
  #graph = new Graph({ label: 'Requests a second', format: format.rate, slots: trendLength, least: 1, isSmall: true })

  /**
   * @param {Backend} backend
   * @param {(backend: Backend, button: HTMLElement) => void} onMenu
   */
  constructor(backend, onMenu) {
    const key = keyOf(backend)
    this.#cells = new Map(columns.map(column => [column.key, h('div', { role: 'cell', class: `${column.key} ${column.kind ?? ''}` })]))
    this.element = h('div', { role: 'row', class: 'row line-of-cells' }, ...this.#cells.values())
    this.element.dataset.key = key
    for (const { key: name, short } of columns) {
      if (short) {
        const value = h('span')
        this.#values.set(name, value)
        this.#cell(name).append(value, h('span', { class: 'short' }, short))
      } else {
        this.#values.set(name, this.#cell(name))
      }
    }
    this.#link.href = addressOf(backend)
    this.#link.textContent = backend.id
    this.#url.textContent = backend.url
    this.#cell('name').title = `${backend.id}\n${backend.url}`
    this.#cell('state-cell').append(this.#state.element)
    this.#cell('name').append(this.#link, this.#url)
    this.#cell('trend').append(this.#graph.element)
    const button = h('button', { type: 'button', class: 'bare', 'aria-label': `Actions for ${backend.id}` }, '⋯')
    button.addEventListener('click', () => onMenu(backend, button))
    this.#cell('act').append(button)
  }

  /** @param {string} key */
  #cell(key) {
    return /** @type {HTMLElement} */ (this.#cells.get(key))
  }

  /**
   * @param {string} key
   * @param {string} text
   */
  #set(key, text) {
    setText(/** @type {HTMLElement} */ (this.#values.get(key)), text)
  }

  /**
   * @param {Store} store
   * @param {Backend} backend
   * @param {number} index
   * @param {number} height
   */
  show(store, backend, index, height) {
    const top = `${index * height}px`
    if (this.element.style.top !== top) this.element.style.top = top
    setAttribute(this.element, 'aria-rowindex', String(index + 2))
    const figures = lately(backend)
    this.#state.show(stateOf(backend))
    setText(this.#url, backend.url)
    this.#set('pool', backend.pool)
    this.#set('weight', String(backend.weight))
    this.#set('flight', format.count(backend.in_flight))
    this.#set('rate', format.rate(figures.requests_per_second))
    this.#set('errors', format.percent(figures.error_ratio))
    this.#set('p50', format.milliseconds(figures.latency_ms.p50))
    this.#set('p99', format.milliseconds(figures.latency_ms.p99))
    const failed = store.secondsSince(backend.last_failure_at)
    const seen = store.secondsSince(backend.last_check_at)
    this.#set('reason', backend.last_failure ? `${failed === null ? '' : `${format.ago(failed)}: `}${backend.last_failure}` : '')
    this.#set('seen', seen === null ? format.nothing : format.ago(seen))
    this.#graph.draw([{ name: 'requests a second', values: store.trends.get(keyOf(backend)) ?? [] }])
  }
}

/** What is looked for; empty texts are for all. @typedef {{ text: string, state: string, pool: string }} Filter */

/**
 * @param {Backend} backend
 * @param {Filter} filter
 */
function matches(backend, filter) {
  const state = stateOf(backend).word
  if (filter.pool && backend.pool !== filter.pool) return false
  if (filter.state && (filter.state === 'trouble' ? !isInTrouble(backend) : state !== filter.state)) return false
  const text = filter.text.toLowerCase()
  return (
    text === '' ||
    [backend.id, backend.url, backend.pool, state, backend.last_failure ?? ''].some(part => part.toLowerCase().includes(text))
  )
}

export class BackendTable {
  #store
  #onMenu
  #heads = /** @type {Map<string, HTMLElement>} */ (new Map())
  #body = h('div', { role: 'rowgroup', class: 'body' })
  #empty = h('p', { class: 'empty', hidden: true })
  /** @type {Map<string, Row>} */
  #rows = new Map()
  /** Keys in the order of the rows. @type {string[]} */
  #order = []
  #sort = { key: 'state-cell', isFalling: false }
  #rowHeight = 0
  #isHeld = false
  #arrangement = -1
  /** @type {Filter} */
  filter = { text: '', state: '', pool: '' }
  element

  /**
   * @param {Store} store
   * @param {(backend: Backend, button: HTMLElement) => void} onMenu
   */
  constructor(store, onMenu) {
    this.#store = store
    this.#onMenu = onMenu
    const head = h('div', { role: 'row', class: 'head line-of-cells', 'aria-rowindex': 1 }, ...columns.map(column => this.#head(column)))
    this.element = h('div', { role: 'table', class: 'grid', 'aria-labelledby': 'backends-title' }, h('div', { role: 'rowgroup' }, head), this.#body)
    // Rows stay where they are under a pointer and while one of them is being worked with.
    this.#body.addEventListener('pointerenter', event => (this.#isHeld = event.pointerType === 'mouse'))
    this.#body.addEventListener('pointerleave', () => (this.#isHeld = false))
    addEventListener('scroll', () => this.#draw(), { passive: true })
    addEventListener('resize', () => {
      this.#rowHeight = 0
      this.#draw()
    })
    this.#markSort()
  }

  get message() {
    return this.#empty
  }

  /** @param {Column} column */
  #head(column) {
    const cell = h('div', { role: 'columnheader', class: `${column.key} ${column.kind ?? ''}` })
    if (column.order) {
      cell.append(h('button', { type: 'button', click: () => this.#sortBy(column) }, column.title))
    } else {
      cell.append(h('span', { class: column.key === 'act' ? 'unseen' : '' }, column.title))
    }
    this.#heads.set(column.key, cell)
    return cell
  }

  /** Ways to sort, for where there is no head. */
  get sortChoices() {
    return columns.filter(column => column.order).map(({ key, title }) => ({ key, title }))
  }

  /** @param {string} key */
  sortByKey(key) {
    const column = columns.find(each => each.key === key)
    if (column) this.#sortBy(column)
  }

  /** @param {Column} column */
  #sortBy({ key, isFallingFirst = false }) {
    this.#sort = { key, isFalling: this.#sort.key === key ? !this.#sort.isFalling : isFallingFirst }
    this.#markSort()
    this.refresh()
  }

  #markSort() {
    for (const [key, cell] of this.#heads) {
      setAttribute(cell, 'aria-sort', key !== this.#sort.key ? null : this.#sort.isFalling ? 'descending' : 'ascending')
    }
  }

  #sorted() {
    const column = columns.find(each => each.key === this.#sort.key)
    const order = column?.order ?? (() => 0)
    const sign = this.#sort.isFalling ? -1 : 1
    const entries = [...this.#store.backends].filter(([, backend]) => matches(backend, this.filter))
    const keyed = entries.map(([key, backend]) => ({ key, value: order(backend) }))
    // Sorting keeps the order of the configuration among equals.
    keyed.sort((a, b) => sign * (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
    return keyed.map(({ key }) => key)
  }

  /** Filters and sorts anew, whatever the pointer does. */
  refresh() {
    this.#order = this.#sorted()
    this.#arrangement = this.#store.arrangement
    this.#draw()
  }

  update() {
    const isHeld = this.#isHeld || this.#body.contains(document.activeElement)
    if (isHeld && this.#arrangement === this.#store.arrangement) this.#draw()
    else this.refresh()
  }

  get count() {
    return this.#order.length
  }

  /** Which rows are in sight, with some beyond. */
  #range() {
    if (this.#rowHeight === 0) {
      this.#rowHeight = this.#rows.values().next().value?.element.offsetHeight ?? 0
    }
    const height = this.#rowHeight || 48
    const top = this.#body.getBoundingClientRect().top
    const first = Math.max(0, Math.floor(-top / height) - 6)
    return { height, first, last: Math.min(this.#order.length, Math.ceil((innerHeight - top) / height) + 6) }
  }

  #draw() {
    if (!this.element.isConnected || this.element.closest('[hidden]')) return
    const { height, first, last } = this.#range()
    const keys = this.#order.slice(first, last)
    const wanted = new Set(keys)
    for (const [key, row] of this.#rows) {
      if (!wanted.has(key)) {
        row.element.remove()
        this.#rows.delete(key)
      }
    }
    let place = this.#body.firstElementChild
    keys.forEach((key, offset) => {
      const backend = this.#store.backends.get(key)
      if (!backend) return
      let row = this.#rows.get(key)
      if (!row) {
        row = new Row(backend, () => this.#openMenu(key))
        this.#rows.set(key, row)
      }
      row.show(this.#store, backend, first + offset, height)
      if (row.element === place) place = place.nextElementSibling
      else this.#body.insertBefore(row.element, place)
    })
    const tall = `${this.#order.length * height}px`
    if (this.#body.style.height !== tall) this.#body.style.height = tall
    setAttribute(this.element, 'aria-rowcount', String(this.#order.length + 1))
    // The first row tells how high they are.
    if (this.#rowHeight === 0 && this.#rows.size > 0) this.#draw()
  }

  /** @param {string} key */
  #openMenu(key) {
    const backend = this.#store.backends.get(key)
    const button = this.#rows.get(key)?.element.querySelector('button')
    if (backend && button) this.#onMenu(backend, button)
  }
}
