// The configuration: what is in force, where it comes from, and where the running state differs from it.
import { get } from './api.js'
import { changeList, faultList } from './dialogs.js'
import { h } from './dom.js'
import * as format from './format.js'
/** @import { Child } from './dom.js' */
/** @import { Config, Difference } from './wire.js' */

/**
 * As an operator would write it: indented, one value a line.
 * @param {any} value
 * @param {string} indent
 * @returns {string}
 */
function written(value, indent = '') {
  if (value === null || typeof value !== 'object') return ` ${value}\n`
  const isList = Array.isArray(value)
  const entries = Object.entries(value)
  if (entries.length === 0) return isList ? ' []\n' : ' {}\n'
  const lines = entries.map(([key, inner]) => `${indent}${isList ? '-' : `${key}:`}${written(inner, `${indent}  `)}`)
  // The first entry of a list's item stands beside its dash.
  return `\n${lines.join('').replace(/^(\s*)-\n\s+/gm, '$1- ')}`
}

/** @param {Difference[]} differences */
function differenceTable(differences) {
  const row = (/** @type {Difference} */ { where, file, runtime }) =>
    h('tr', {}, h('th', { scope: 'row', class: 'code' }, where), h('td', {}, file ?? format.nothing), h('td', {}, runtime ?? format.nothing))
  const head = ['Where', 'The file says', 'Running'].map(title => h('th', { scope: 'col' }, title))
  return h('table', { class: 'plain-table' }, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...differences.map(row)))
}

/** @param {string} title @param {...Child} content */
const section = (title, ...content) => h('section', {}, h('h2', {}, title), ...content)

/**
 * @param {string} term
 * @param {Child} value
 */
const fact = (term, value) => h('div', {}, h('dt', {}, term), h('dd', {}, value))

let lastShown = ''

/**
 * @param {HTMLElement} place
 * @param {Config} config
 */
export async function showConfig(place, config) {
  const { differences } = await get.differences()
  const shown = JSON.stringify([config, differences])
  if (shown === lastShown) return
  lastShown = shown
  const { last_failure: failure } = config
  place.replaceChildren(
    h(
      'div',
      { class: 'page-parts' },
      h(
        'dl',
        { class: 'facts card' },
        fact('Version', config.version),
        fact('In force since', format.date(config.loaded_at)),
        fact('File', h('span', { class: 'code' }, config.source ?? 'none: flags and environment')),
        fact('SHA-256 of the file', h('span', { class: 'code' }, config.hash?.slice(0, 16) ?? format.nothing)),
      ),
      failure && section(`Refused ${format.date(failure.at)}`, h('div', { class: 'problem' }, faultList(failure.faults))),
      config.changes.length > 0 && section(`What version ${config.version} changed`, changeList(config.changes)),
      section(
        'Where the running state differs from it',
        differences.length > 0
          ? h('div', { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': 'Differences' }, differenceTable(differences))
          : h('p', { class: 'muted' }, 'Nowhere.'),
      ),
      section(
        'In force, with every default',
        h('pre', { tabindex: 0, role: 'region', 'aria-label': 'The configuration in force' }, written(config.effective).trimStart()),
      ),
    ),
  )
}
