// Puts the page together: which part is shown, what is asked of the API, and when the figures are old.
import { askForTokenAgain, change, get, isTokenDeclined, onTokenNeeded, token } from './api.js'
import { BackendPage } from './backend.js'
import { showConfig } from './config.js'
import { askForToken, askForWeight, askToReload, askToRemove, problemView } from './dialogs.js'
import { byId, h, setAttribute, setShown, setText } from './dom.js'
import { showEvents } from './events.js'
import * as format from './format.js'
import { OverviewPage } from './overview.js'
import { Store } from './store.js'
import { followForEver } from './stream.js'
/** @import { Tone } from './states.js' */
/** @import { Backend, Config, Live, PastEvent } from './wire.js' */

/** Figures that are older than this are called old, in seconds. */
const oldAge = 3
/** How long good news stay, in milliseconds. */
const newsTime = 6000

const store = new Store()
/** @type {Config | null} */
let config = null
/** @type {PastEvent[]} */
let events = []
/** @type {BackendPage | null} */
let backendPage = null
/** Why there are no figures, if the API says so. @type {string | null} */
let lost = null

const notices = byId('notices', HTMLElement)

/**
 * @param {Tone} tone
 * @param {Node | string} content
 */
function notify(tone, content) {
  const dismiss = h('button', { type: 'button', class: 'bare', 'aria-label': 'Dismiss' }, '✕')
  const notice = h('div', { class: 'notice', 'data-tone': tone }, h('div', {}, content), dismiss)
  dismiss.addEventListener('click', () => notice.remove())
  if (tone === 'good') setTimeout(() => notice.remove(), newsTime)
  notices.replaceChildren(notice)
}

/**
 * Tells how it went. A dialog that was cancelled is no news.
 * @param {Promise<unknown>} work
 * @param {string} done
 */
async function tell(work, done) {
  try {
    if ((await work) !== false) notify('good', done)
  } catch (error) {
    notify('bad', problemView(error))
  }
}

const states = [
  { state: 'ready', title: 'Mark ready', done: 'is ready' },
  { state: 'not-ready', title: 'Mark not ready', done: 'is not ready' },
  { state: 'draining', title: 'Drain', done: 'drains' },
  { state: 'disabled', title: 'Disable', done: 'is disabled' },
]

/**
 * What can be done with a backend, made at the state that it is shown in when the button is pressed.
 * @param {Backend} shown
 */
function actionsOf(shown) {
  const current = () => [...store.backends.values()].find(({ pool, id }) => pool === shown.pool && id === shown.id) ?? shown
  const button = (/** @type {string} */ title, /** @type {() => void} */ run) => h('button', { type: 'button', click: run }, title)
  return [
    ...states.map(({ state, title, done }) =>
      button(title, () => tell(change.backend(current(), { state }), `${shown.id} ${done}`)),
    ),
    button('Set weight…', () => tell(askForWeight(current()), `The weight of ${shown.id} is set`)),
    button('Remove…', () => tell(askToRemove(current()), `${shown.id} is removed`)),
  ]
}

const menu = byId('menu', HTMLElement)

/**
 * @param {Backend} backend
 * @param {HTMLElement} button
 */
function openMenu(backend, button) {
  const items = actionsOf(backend)
  // Before it runs, so that its dialog gives the focus back to the button.
  for (const item of items) item.addEventListener('click', () => menu.hidePopover(), true)
  menu.replaceChildren(...items)
  menu.setAttribute('aria-label', `Actions for ${backend.id}`)
  menu.showPopover()
  const [box, own] = [button.getBoundingClientRect(), menu.getBoundingClientRect()]
  menu.style.left = `${Math.max(8, box.right - own.width)}px`
  menu.style.top = `${box.bottom + own.height > innerHeight ? Math.max(8, box.top - own.height) : box.bottom}px`
  items[0].focus()
}

menu.addEventListener('keydown', event => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (!step) return
  const items = [...menu.querySelectorAll('button')]
  const place = items.findIndex(item => item === document.activeElement)
  items[(place + step + items.length) % items.length].focus()
  event.preventDefault()
})

byId('reload', HTMLButtonElement).addEventListener('click', () => tell(askToReload(), 'The configuration is reloaded'))

const overview = new OverviewPage(store, openMenu, tell)
const pages = ['overview', 'backend', 'events', 'config'].map(id => byId(id, HTMLElement))
const eventList = byId('event-list', HTMLElement)

/** The page that the address names, and what of. */
function route() {
  try {
    const [page, ...rest] = location.hash.replace(/^#\//, '').split('/').map(decodeURIComponent)
    if (page === 'backends' && rest.length === 2) return { page: 'backend', backend: { pool: rest[0], id: rest[1] } }
    if (page === 'events' || page === 'config') return { page, backend: null }
  } catch {} // It is no address.
  return { page: 'overview', backend: null }
}

function openBackend() {
  const { backend } = route()
  if (backend) {
    backendPage = new BackendPage(byId('backend', HTMLElement), store, backend, actionsOf)
    backendPage.showEvents(events)
    store.recallCourse(backend).then(show, () => {})
  }
}

/** @param {boolean} isFirst */
function go(isFirst) {
  const { page, backend } = route()
  for (const each of pages) setShown(each, each.id === page)
  for (const link of document.querySelectorAll('nav a')) {
    setAttribute(link, 'aria-current', link instanceof HTMLElement && link.dataset.page === page ? 'page' : null)
  }
  backendPage = null
  openBackend()
  const title = backend?.id ?? { events: 'Events', config: 'Configuration' }[page]
  document.title = title ? `${title} · Conduit` : 'Conduit'
  show()
  if (!isFirst) {
    scrollTo(0, 0)
    byId('main', HTMLElement).focus()
  }
}

function show() {
  const { page } = route()
  if (page === 'overview') overview.show(config)
  if (page === 'backend') {
    if (backendPage?.isEmpty) openBackend()
    backendPage?.show()
  }
}

const connection = byId('connection', HTMLElement)
const age = byId('age', HTMLElement)

/** The age is for the eye: a screen reader is told once that the page is not live. */
function showAge() {
  if (!store.live && lost === null && store.age < oldAge) return
  const isOld = !store.live || store.age > oldAge
  setText(connection, !isOld ? (store.live?.draining ? 'Stopping' : 'Live') : (lost ?? 'No answer, reconnecting'))
  setText(age, `Figures are ${format.span(store.age)} old`)
  setShown(age, isOld && store.live !== null)
  connection.dataset.state = isOld ? 'old' : 'live'
  document.body.classList.toggle('stale', isOld && store.live !== null)
  setShown(byId('forget-token', HTMLElement), token.get() !== null)
  setShown(byId('give-token', HTMLElement), isTokenDeclined())
}

async function readConfig() {
  config = await get.config()
  const isReadOnly = String(config.effective.admin?.read_only) === 'true'
  document.body.classList.toggle('read-only', isReadOnly)
  setShown(byId('read-only', HTMLElement), isReadOnly)
  await showConfig(byId('config-body', HTMLElement), config)
}

async function readEvents() {
  events = (await get.events(500)).events
  showEvents(eventList, events, true)
  backendPage?.showEvents(events)
}

/** What was read for the frames so far, so that only news are read. */
let known = { event: -1, config: '' }

/** @param {Live} live */
async function readNews(live) {
  const version = `${live.config_version} ${live.config_failed_at}`
  const before = known
  if (before.event === live.last_event && before.config === version) return
  known = { event: live.last_event, config: version }
  try {
    if (before.event !== live.last_event) await readEvents()
    await readConfig()
  } catch {
    known = before
  }
  show()
}

/**
 * @param {Live} live
 * @param {boolean} isWhole
 */
function accept(live, isWhole) {
  const isFirst = store.live === null || lost !== null || store.age > oldAge
  lost = null
  store.accept(live, isWhole)
  if (isFirst) store.recall().then(show, () => {})
  readNews(live)
  show()
  showAge()
}

onTokenNeeded(askForToken)
byId('forget-token', HTMLButtonElement).addEventListener('click', () => {
  token.forget()
  location.reload()
})
byId('give-token', HTMLButtonElement).addEventListener('click', () => {
  askForTokenAgain()
  readConfig().catch(() => {})
})
byId('skip', HTMLAnchorElement).addEventListener('click', event => {
  event.preventDefault()
  byId('main', HTMLElement).focus()
})
addEventListener('hashchange', () => go(false))
setInterval(showAge, 1000)
go(true)
followForEver(accept, why => {
  lost = why
  showAge()
})
