// The page of one backend: its figures, its graphs, its history, and what can be done with it.
import { h, setText, setShown } from './dom.js'
import { showEvents } from './events.js'
import * as format from './format.js'
import { StateBadge, stateOf } from './states.js'
import { historyLength as slots, keyOf } from './store.js'
import { Tile, tileElement } from './tile.js'
/** @import { Store } from './store.js' */
/** @import { Backend, PastEvent } from './wire.js' */

const windows = /** @type {const} */ ([
  ['10s', '10 seconds'],
  ['1m', 'minute'],
  ['5m', '5 minutes'],
])

export class BackendPage {
  #store
  #key
  #isKnown
  #state = new StateBadge()
  #facts = /** @type {Map<string, HTMLElement>} */ (new Map())
  #cells = /** @type {HTMLElement[][]} */ ([])
  #gone = h('p', { class: 'problem', hidden: true }, h('strong', {}, 'This backend has left its pool.'))
  #events = h('ol', { class: 'events card' })
  #requests = new Tile(tileElement('Requests', 'a second'), { label: 'Requests a second', format: format.rate, slots, least: 1 })
  #errors = new Tile(tileElement('Errors', 'of answers'), { label: 'Share of errors', format: format.percent, slots, least: 0.01 })
  #latency = new Tile(tileElement('Latency', 'p99'), { label: 'Latency', format: format.milliseconds, slots, least: 1 })
  #flight = new Tile(tileElement('In flight', 'requests'), { label: 'Requests in flight', format: format.count, slots, least: 4 })

  /**
   * @param {HTMLElement} place
   * @param {Store} store
   * @param {{ pool: string, id: string }} backend
   * @param {(backend: Backend) => HTMLElement[]} actionsOf
   */
  constructor(place, store, backend, actionsOf) {
    this.#store = store
    this.#key = keyOf(backend)
    const known = store.backends.get(this.#key)
    this.#isKnown = known !== undefined
    const fact = (/** @type {string} */ term) => {
      const value = h('dd', {}, format.nothing)
      this.#facts.set(term, value)
      return h('div', {}, h('dt', {}, term), value)
    }
    const terms = ['URL', 'Pool', 'Weight', 'In this state for', 'Health', 'Last check', 'Last failure']
    const actions = h('div', { class: 'actions changes', role: 'group', 'aria-label': 'Actions' }, ...(known ? actionsOf(known) : []))
    place.replaceChildren(
      h(
        'div',
        { class: 'heading' },
        h('a', { href: '#/' }, '← Overview'),
        h('h1', {}, backend.id),
        this.#state.element,
        actions,
      ),
      this.#gone,
      h('div', { class: 'tiles' }, this.#requests.element, this.#errors.element, this.#latency.element, this.#flight.element),
      h('dl', { class: 'facts card' }, ...terms.map(fact)),
      h('section', {}, h('h2', {}, 'Rates and latency'), this.#table()),
      h('section', {}, h('h2', {}, 'What happened'), this.#events),
    )
  }

  #table() {
    const titles = ['The last', 'Requests/s', 'Errors/s', 'Errors', 'p50', 'p90', 'p99', 'p99.9']
    const head = titles.map((title, index) => h('th', { scope: 'col', class: index > 0 ? 'number' : '' }, title))
    const rows = windows.map(([, name]) => {
      const cells = titles.slice(1).map(() => h('td', { class: 'number' }, format.nothing))
      this.#cells.push(cells)
      return h('tr', {}, h('th', { scope: 'row' }, name), ...cells)
    })
    return h(
      'div',
      { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': 'Rates and latency' },
      h('table', { class: 'plain-table' }, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...rows)),
    )
  }

  /** Whether the backend is known only since the page was made. */
  get isEmpty() {
    return !this.#isKnown && this.#store.backends.has(this.#key)
  }

  /**
   * @param {string} term
   * @param {string} text
   */
  #fact(term, text) {
    setText(/** @type {HTMLElement} */ (this.#facts.get(term)), text)
  }

  /** @param {Backend} backend */
  #showFacts(backend) {
    const store = this.#store
    const [checked, failed] = [store.secondsSince(backend.last_check_at), store.secondsSince(backend.last_failure_at)]
    const outcome = backend.last_check_passed === null ? '' : backend.last_check_passed ? ', passed' : ', failed'
    this.#fact('URL', backend.url)
    this.#fact('Pool', backend.pool)
    this.#fact('Weight', String(backend.weight))
    this.#fact('In this state for', format.span(store.inStateFor(backend)))
    this.#fact('Health', `${backend.health}${backend.breaker ? `, breaker ${backend.breaker}` : ''}`)
    this.#fact('Last check', checked === null ? 'none yet' : `${format.ago(checked)}${outcome}`)
    this.#fact('Last failure', backend.last_failure ? `${backend.last_failure}${failed === null ? '' : `, ${format.ago(failed)}`}` : 'none')
  }

  /** @param {Backend} backend */
  #showRates(backend) {
    windows.forEach(([name], row) => {
      const { requests_per_second, errors_per_second, error_ratio, latency_ms: latency } = backend.recent[name]
      const texts = [
        format.rate(requests_per_second),
        format.rate(errors_per_second),
        format.percent(error_ratio),
        ...[latency.p50, latency.p90, latency.p99, latency.p99_9].map(format.milliseconds),
      ]
      texts.forEach((text, column) => setText(this.#cells[row][column], text))
    })
  }

  show() {
    const backend = this.#store.backends.get(this.#key)
    setShown(this.#gone, !backend && this.#store.live !== null)
    if (!backend) return
    const { points } = this.#store.course
    const lately = backend.recent['10s']
    this.#state.show(stateOf(backend))
    this.#showFacts(backend)
    this.#showRates(backend)
    const joined = `${format.plural(backend.requests, 'request')} since it joined`
    this.#requests.show(format.rate(lately.requests_per_second), joined)
    this.#errors.show(format.percent(lately.error_ratio), `${format.plural(backend.failures, 'failure')} since it joined`)
    this.#latency.show(format.milliseconds(lately.latency_ms.p99), `p50 ${format.milliseconds(lately.latency_ms.p50)}`)
    this.#flight.show(format.count(backend.in_flight), '')
    this.#requests.draw([{ name: 'requests a second', values: points.map(point => point.requests_per_second) }])
    this.#errors.draw([{ name: 'errors', values: points.map(point => point.error_ratio) }])
    this.#latency.draw([
      { name: 'p99', values: points.map(point => point.p99_ms) },
      { name: 'p50', values: points.map(point => point.p50_ms) },
    ])
    this.#flight.draw([{ name: 'in flight', values: points.map(point => point.in_flight) }])
  }

  /** @param {PastEvent[]} events of all backends, the oldest first */
  showEvents(events) {
    const own = events.filter(({ pool, backend }) => pool !== undefined && backend !== undefined && keyOf({ pool, id: backend }) === this.#key)
    showEvents(this.#events, own, false)
  }
}
