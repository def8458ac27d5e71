// What asks before something is done, and what shows why something was not.
import { ApiError, change, get, token } from './api.js'
import { h } from './dom.js'
/** @import { Child } from './dom.js' */
/** @import { Backend, Fault, Problem } from './wire.js' */

/** @param {Fault[]} faults */
export const faultList = faults =>
  h('ul', { class: 'faults' }, ...faults.map(fault => h('li', {}, h('code', {}, fault.where), ` ${fault.what}; ${fault.remedy}`)))

/**
 * Why the API did not do it, as it says itself.
 * @param {unknown} error
 * @returns {HTMLElement}
 */
export function problemView(error) {
  if (!(error instanceof ApiError)) {
    return h('div', { class: 'problem' }, h('strong', {}, 'Conduit does not answer'), h('p', {}, 'Nothing is known of what became of it.'))
  }
  const { title, detail, faults } = error.problem
  return h('div', { class: 'problem' }, h('strong', {}, title), h('p', {}, detail), faults && faultList(faults))
}

/** What a reload changes, line by line. @param {string[]} changes */
export const changeList = changes =>
  h(
    'ul',
    { class: 'changes-list' },
    ...changes.map(text => {
      const tone = text.endsWith(' added') ? 'good' : text.endsWith(' removed') ? 'bad' : undefined
      return h('li', { 'data-tone': tone }, text)
    }),
  )

let opened = 0

/**
 * Opens a dialog over the page; whether it was confirmed, and what was asked for was done.
 * @param {object} what
 * @param {string} what.title
 * @param {Child[]} what.body
 * @param {string} what.confirm the word on the button
 * @param {boolean} [what.isDangerous]
 * @param {boolean} [what.isUseless] there is nothing to confirm
 * @param {() => Promise<unknown> | unknown} what.run
 * @returns {Promise<boolean>}
 */
function open({ title, body, confirm, isDangerous, isUseless, run }) {
  const titleId = `dialog-${++opened}`
  const problem = h('div', { role: 'alert' })
  const cancel = h('button', { type: 'button' }, isUseless ? 'Close' : 'Cancel')
  const button = h('button', { type: 'submit', class: isDangerous ? 'danger' : 'main' }, confirm)
  const form = h(
    'form',
    { novalidate: true },
    h('h2', { id: titleId }, title),
    ...body,
    problem,
    h('div', { class: 'actions' }, cancel, !isUseless && button),
  )
  const dialog = h('dialog', { 'aria-labelledby': titleId }, form)
  return new Promise(resolve => {
    let isDone = false
    cancel.addEventListener('click', () => dialog.close())
    dialog.addEventListener('cancel', event => button.disabled && event.preventDefault())
    form.addEventListener('submit', async event => {
      event.preventDefault()
      button.disabled = cancel.disabled = true
      problem.replaceChildren()
      try {
        await run()
        isDone = true
        dialog.close()
      } catch (error) {
        problem.replaceChildren(problemView(error))
      }
      button.disabled = cancel.disabled = false
    })
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(isDone)
    })
    document.body.append(dialog)
    dialog.showModal()
  })
}

/**
 * Whether there is another token now.
 * @param {Problem} problem why one is asked for
 */
export function askForToken(problem) {
  const isWrong = problem.type.endsWith(':wrong-token')
  const field = h('input', { type: 'password', autocomplete: 'off', required: true, name: 'token' })
  return open({
    title: isWrong ? 'The token is wrong' : 'A token is needed',
    body: [
      h('p', {}, isWrong ? 'It is not the one that this Conduit knows. Try another.' : 'This Conduit shows itself only to who has its token.'),
      h('label', {}, 'Token', field, h('small', {}, 'Kept for this tab only, and gone when you close it.')),
    ],
    confirm: 'Use it',
    run: () => {
      const text = field.value.trim()
      if (!/^[!-~]+$/.test(text)) {
        throw new ApiError({ ...problem, title: 'This is no token', detail: 'A token is printable ASCII without spaces.' })
      }
      token.set(text)
    },
  })
}

/** @param {Backend} backend */
export function askForWeight(backend) {
  const field = h('input', { type: 'number', min: 1, max: 256, step: 1, value: backend.weight, required: true, name: 'weight' })
  const dialog = open({
    title: `Weight of ${backend.id}`,
    body: [h('label', {}, 'Weight', field, h('small', {}, 'From 1 to 256: its share of the traffic relative to the others of the pool.'))],
    confirm: 'Set weight',
    run: () => change.backend(backend, { weight: field.valueAsNumber }),
  })
  field.select()
  return dialog
}

/** @param {Backend} backend */
export const askToRemove = backend =>
  open({
    title: `Remove ${backend.id}?`,
    body: [
      h('p', {}, 'It leaves the pool ', h('b', {}, backend.pool), ' and gets no more requests; those in flight finish.'),
      h('p', { class: 'muted' }, 'The file is not changed: a restart brings it back if the file names it.'),
    ],
    confirm: 'Remove',
    isDangerous: true,
    run: () => change.remove(backend),
  })

/**
 * @param {string[]} pools
 * @param {string} chosen
 */
export function askToAdd(pools, chosen) {
  const pool = h('select', { name: 'pool' }, ...pools.map(name => h('option', { selected: name === chosen }, name)))
  const url = h('input', { type: 'text', inputmode: 'url', placeholder: 'http://10.0.0.9:8081', required: true, name: 'url', spellcheck: 'false' })
  const id = h('input', { type: 'text', name: 'id', spellcheck: 'false', autocomplete: 'off' })
  const weight = h('input', { type: 'number', min: 1, max: 256, step: 1, value: 1, name: 'weight' })
  const dialog = open({
    title: 'Add a backend',
    body: [
      h('label', {}, 'Pool', pool),
      h('label', {}, 'URL', url),
      h('label', {}, 'Name', id, h('small', {}, 'Left empty, it is called by its host and port.')),
      h('label', {}, 'Weight', weight),
    ],
    confirm: 'Add',
    run: () =>
      change.add(pool.value, {
        url: url.value.trim(),
        weight: weight.valueAsNumber,
        ...(id.value.trim() ? { id: id.value.trim() } : {}),
      }),
  })
  url.focus()
  return dialog
}

/** Shows what the file would change, and then does it. */
export async function askToReload() {
  let preview
  try {
    preview = await get.preview()
  } catch (error) {
    return open({ title: 'The file cannot take effect', body: [problemView(error)], confirm: '', isUseless: true, run: () => {} })
  }
  const isSame = preview.changes.length === 0
  return open({
    title: 'Reload the configuration?',
    body: isSame
      ? [h('p', {}, 'The file says what is in force already. To reload it changes nothing.')]
      : [h('p', {}, `The file has changed. As configuration ${preview.version} it would change:`), changeList(preview.changes)],
    confirm: 'Reload',
    run: () => change.reload(),
  })
}
