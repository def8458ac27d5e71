// What happened, in words.
import { h } from './dom.js'
import * as format from './format.js'
import { addressOf } from './table.js'
/** @import { PastEvent } from './wire.js' */

/** @type {Record<string, (event: PastEvent) => string>} */
const words = {
  backend_added: event => `added with weight ${event.weight}`,
  backend_removed: () => 'removed',
  backend_up: () => 'up again',
  backend_down: () => 'down',
  backend_state: event => `set to ${event.state?.replace('-', ' ')}`,
  backend_weight: event => `weight set to ${event.weight}`,
  backend_breaker: event => `breaker ${event.breaker}`,
  reloaded: event => `configuration ${event.version} in force`,
  reload_failed: () => 'configuration refused',
  stopping: () => 'the program stops',
}

/** @param {PastEvent} event */
const wordsOf = event => (words[event.type] ?? (() => event.type.replaceAll('_', ' ')))(event)

/** @param {PastEvent} event */
function detailsOf(event) {
  const faults = event.faults?.map(fault => `${fault.where} ${fault.what}`) ?? []
  return [event.reason, ...(event.changes ?? []), ...faults].filter(text => text).join('; ')
}

/** @param {PastEvent} event @param {boolean} isNamed whether it says of which backend */
function item(event, isNamed) {
  const { pool, backend } = event
  const subject =
    isNamed && pool !== undefined && backend !== undefined
      ? h('span', {}, h('a', { href: addressOf(/** @type {any} */ ({ pool, id: backend })) }, backend), ` ${wordsOf(event)}`)
      : h('span', {}, wordsOf(event))
  return h(
    'li',
    {},
    h('time', { datetime: event.at, title: format.date(event.at) }, format.clock(event.at)),
    h('span', { class: 'muted' }, pool === undefined ? 'Conduit' : `pool ${pool}`),
    h('span', { class: 'what' }, subject, detailsOf(event) && h('span', { class: 'muted' }, ` ${detailsOf(event)}`)),
  )
}

/**
 * @param {HTMLElement} list
 * @param {PastEvent[]} events the oldest first
 * @param {boolean} isNamed
 */
export function showEvents(list, events, isNamed) {
  const items = events.map(event => item(event, isNamed)).reverse()
  list.replaceChildren(...(items.length > 0 ? items : [h('li', {}, h('span', { class: 'what muted' }, 'Nothing has happened yet.'))]))
}
