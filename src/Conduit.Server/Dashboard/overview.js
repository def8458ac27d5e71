// The page that stays open: traffic, pools, backends.
import { byId, h, setShown, setText } from './dom.js'
import { askToAdd } from './dialogs.js'
import * as format from './format.js'
import { StateBadge, stateOf } from './states.js'
import { historyLength as slots } from './store.js'
import { BackendTable } from './table.js'
import { Tile } from './tile.js'
/** @import { State } from './states.js' */
/** @import { Store } from './store.js' */
/** @import { Backend, Config, Pool } from './wire.js' */

/**
 * The values of a section of the configuration, each with its path.
 * @param {any} value
 * @param {string} path
 * @returns {[string, string][]}
 */
function leaves(value, path) {
  if (value === null || typeof value !== 'object') return [[path, String(value)]]
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path ? `${path}.${key}` : key))
}

/** What a pool's health check is, in one line. @param {any} check */
const checkOf = check => `${check.path ? `GET ${check.path}` : check.type ?? 'tcp'} every ${check.interval}`

class PoolRow {
  #cells = Array.from({ length: 8 }, (_, index) => h('td', { class: index > 1 ? 'number' : index === 1 ? 'wide' : '' }))
  #head
  element
  #shown = ''

  /** @param {string} name */
  constructor(name) {
    this.#head = h('th', { scope: 'row' }, name)
    this.element = h('tr', {}, this.#head, ...this.#cells)
  }

  /**
   * @param {Pool} pool
   * @param {Config | null} config
   */
  show(pool, config) {
    const lately = pool.recent['10s']
    const texts = [
      `${pool.available} of ${pool.backends}`,
      format.count(pool.in_flight),
      format.rate(lately.requests_per_second),
      format.percent(lately.error_ratio),
      format.milliseconds(lately.latency_ms.p50),
      format.milliseconds(lately.latency_ms.p99),
    ]
    setText(this.#cells[0], pool.strategy)
    texts.forEach((text, index) => setText(this.#cells[index + 2], text))
    const policies = config?.effective.pools?.[pool.name]
    if (!policies) return
    const { backends, strategy, ...rest } = policies
    const shown = JSON.stringify(rest)
    if (this.#shown === shown) return
    this.#shown = shown
    const values = leaves(rest, '').flatMap(([key, value]) => [h('dt', {}, key), h('dd', {}, value)])
    this.#cells[1].replaceChildren(
      h('details', {}, h('summary', {}, checkOf(rest.health_check ?? {})), h('dl', { class: 'policies' }, ...values)),
    )
  }
}

/**
 * How many backends are in each state, the gravest first.
 * @param {Iterable<Backend>} backends
 */
function tallyOf(backends) {
  /** @type {Map<string, { state: State, count: number }>} */
  const tally = new Map()
  for (const backend of backends) {
    const state = stateOf(backend)
    const entry = tally.get(state.word) ?? { state, count: 0 }
    entry.count++
    tally.set(state.word, entry)
  }
  return [...tally.values()].sort((a, b) => a.state.rank - b.state.rank)
}

export class OverviewPage {
  #store
  #table
  #requests
  #errors
  #latency
  #flight
  #backends
  #config
  #share = h('div', { class: 'share', 'aria-hidden': 'true' })
  #tally = byId('tally', HTMLUListElement)
  #refused = byId('refused', HTMLElement)
  #pools = byId('pools', HTMLTableSectionElement)
  /** @type {Map<string, PoolRow>} */
  #poolRows = new Map()
  #shown = byId('shown', HTMLElement)
  #add = byId('add', HTMLButtonElement)
  #stateFilter = byId('filter-state', HTMLSelectElement)
  #poolFilter = byId('filter-pool', HTMLSelectElement)
  #lastTally = ''
  #lastPools = ''

  /**
   * @param {Store} store
   * @param {(backend: Backend, button: HTMLElement) => void} onMenu
   * @param {(work: Promise<unknown>, done: string) => void} tell
   */
  constructor(store, onMenu, tell) {
    this.#store = store
    const tile = (/** @type {string} */ name) => byId(`tile-${name}`, HTMLElement)
    this.#requests = new Tile(tile('requests'), { label: 'Requests a second', format: format.rate, slots, least: 1 })
    this.#errors = new Tile(tile('errors'), { label: 'Share of errors', format: format.percent, slots, least: 0.01 })
    this.#latency = new Tile(tile('latency'), { label: 'Latency', format: format.milliseconds, slots, least: 1 })
    this.#flight = new Tile(tile('flight'), { label: 'Requests in flight', format: format.count, slots, least: 4 })
    this.#backends = new Tile(tile('backends'))
    this.#config = new Tile(tile('config'))
    this.#tally.before(this.#share)
    this.#table = new BackendTable(store, onMenu)
    byId('backends', HTMLElement).append(this.#table.element, this.#table.message)
    this.#listen(tell)
  }

  /** @param {(work: Promise<unknown>, done: string) => void} tell */
  #listen(tell) {
    const text = byId('filter-text', HTMLInputElement)
    const order = byId('sort-choice', HTMLSelectElement)
    const filter = () => {
      this.#table.filter = { text: text.value.trim(), state: this.#stateFilter.value, pool: this.#poolFilter.value }
      this.#table.refresh()
      this.#tellCount()
    }
    text.addEventListener('input', filter)
    this.#stateFilter.addEventListener('change', filter)
    this.#poolFilter.addEventListener('change', filter)
    byId('filters', HTMLFormElement).addEventListener('submit', event => event.preventDefault())
    order.append(...this.#table.sortChoices.map(({ key, title }) => h('option', { value: key }, `Sort by ${title.toLowerCase()}`)))
    order.addEventListener('change', () => this.#table.sortByKey(order.value))
    this.#add.addEventListener('click', () => {
      const pools = this.#store.live?.pools.map(pool => pool.name) ?? []
      tell(askToAdd(pools, this.#poolFilter.value), 'The backend is in the pool')
    })
  }

  #tellCount() {
    const all = this.#store.backends.size
    const { count } = this.#table
    setText(this.#shown, count === all ? format.plural(all, 'backend') : `${count} of ${format.plural(all, 'backend')}`)
    setShown(this.#table.message, count === 0)
    setText(this.#table.message, all === 0 ? 'There is no backend yet.' : 'No backend is like that.')
  }

  #showTraffic() {
    const { live, history } = this.#store
    if (!live) return
    const { overview } = live
    const lately = overview.recent['10s']
    const ratio = lately.error_ratio
    const grave = ratio === null || ratio < 0.01 ? null : ratio < 0.05 ? 'warn' : 'bad'
    const most = Math.max(overview.in_flight, ...history.map(point => point.in_flight))
    this.#requests.show(format.rate(lately.requests_per_second), `${format.count(overview.requests)} since the start`)
    this.#errors.show(format.percent(ratio), `${format.rate(lately.errors_per_second)} a second`, grave)
    this.#latency.show(format.milliseconds(lately.latency_ms.p99), `p50 ${format.milliseconds(lately.latency_ms.p50)}`)
    this.#flight.show(format.count(overview.in_flight), `${format.count(most)} at most in 15 min`)
    this.#requests.draw([{ name: 'requests a second', values: history.map(point => point.requests_per_second) }])
    this.#errors.draw([{ name: 'errors', values: history.map(point => point.error_ratio) }])
    this.#latency.draw([
      { name: 'p99', values: history.map(point => point.p99_ms) },
      { name: 'p50', values: history.map(point => point.p50_ms) },
    ])
    this.#flight.draw([{ name: 'in flight', values: history.map(point => point.in_flight) }])
  }

  #showBackends() {
    const { live, backends } = this.#store
    if (!live) return
    const { available, backends: all } = live.overview
    this.#backends.show(`${available} of ${all}`, '', available === 0 && all > 0 ? 'bad' : null)
    const tally = tallyOf(backends.values())
    const key = tally.map(({ state, count }) => `${state.word} ${count}`).join()
    if (key === this.#lastTally) return
    this.#lastTally = key
    this.#tally.replaceChildren(
      ...tally.map(({ state, count }) => {
        const badge = new StateBadge()
        badge.show(state)
        return h('li', {}, `${count} `, badge.element)
      }),
    )
    this.#share.replaceChildren(
      ...tally.reverse().map(({ state, count }) => {
        const part = h('span', { 'data-tone': state.tone })
        part.style.flexGrow = String(count)
        return part
      }),
    )
    const chosen = this.#stateFilter.value
    const [all_, trouble] = this.#stateFilter.options
    this.#stateFilter.replaceChildren(all_, trouble, ...tally.reverse().map(({ state }) => h('option', {}, state.word)))
    this.#stateFilter.value = chosen
    if (this.#stateFilter.value !== chosen) {
      this.#stateFilter.append(h('option', {}, chosen))
      this.#stateFilter.value = chosen
    }
  }

  #showConfig() {
    const { live } = this.#store
    if (!live) return
    this.#config.show(String(live.config_version), `Up ${format.span(live.overview.uptime_seconds)}`)
    setShown(this.#refused, live.config_failed_at !== null)
    if (live.config_failed_at) setText(this.#refused, `A newer one was refused at ${format.clock(live.config_failed_at)}`)
  }

  /** @param {Config | null} config */
  #showPools(config) {
    const pools = this.#store.live?.pools ?? []
    const names = JSON.stringify(pools.map(pool => pool.name))
    if (names !== this.#lastPools) {
      this.#lastPools = names
      const rows = this.#poolRows
      this.#poolRows = new Map(pools.map(({ name }) => [name, rows.get(name) ?? new PoolRow(name)]))
      this.#pools.replaceChildren(...[...this.#poolRows.values()].map(row => row.element))
      const chosen = this.#poolFilter.value
      const [all] = this.#poolFilter.options
      this.#poolFilter.replaceChildren(all, ...pools.map(({ name }) => h('option', {}, name)))
      this.#poolFilter.value = pools.some(({ name }) => name === chosen) ? chosen : ''
    }
    this.#add.disabled = pools.length === 0
    for (const pool of pools) this.#poolRows.get(pool.name)?.show(pool, config)
  }

  /** @param {Config | null} config */
  show(config) {
    this.#showTraffic()
    this.#showBackends()
    this.#showConfig()
    this.#showPools(config)
    this.#table.update()
    this.#tellCount()
  }
}
