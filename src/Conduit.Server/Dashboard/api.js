// The admin API, as docs/admin.md and /api/v1/openapi.json describe it.
/** @import { Backend, Config, Differences, Events, History, Problem, Reload, Trends } from './wire.js' */

/** Why the API did not do what it was asked. */
export class ApiError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.title)
    this.problem = problem
  }
}

const tokenKey = 'conduit.token'

/** The token is kept for this tab, and goes when the tab does. */
export const token = {
  get: () => sessionStorage.getItem(tokenKey),
  /** @param {string} text */
  set: text => sessionStorage.setItem(tokenKey, text),
  forget: () => sessionStorage.removeItem(tokenKey),
}

/**
 * Asks for a token: whether there is another one now.
 * @type {(problem: Problem) => Promise<boolean>}
 */
let askForToken = async () => false

/** @type {Promise<boolean> | null} */
let asking = null
/** Somebody did not want to give a token, and is not asked again until they do. */
let isDeclined = false

/** @param {(problem: Problem) => Promise<boolean>} ask */
export function onTokenNeeded(ask) {
  askForToken = ask
}

/** Whether nobody is asked for a token though one is needed. */
export const isTokenDeclined = () => isDeclined

/** Asks again when a token is next needed. */
export function askForTokenAgain() {
  isDeclined = false
}

/** @param {Response} response */
async function problemOf(response) {
  if (response.headers.get('content-type')?.startsWith('application/problem+json')) {
    return /** @type {Problem} */ (await response.json())
  }
  return { type: 'about:blank', title: `Status ${response.status}`, status: response.status, detail: response.statusText }
}

/**
 * A request that asks for a token where one is needed, and is sent again then.
 * @param {string} path below /api/v1
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export async function send(path, options = {}) {
  for (;;) {
    const sent = token.get()
    const headers = new Headers(options.headers)
    headers.set('X-Conduit-Request', '1')
    if (sent) headers.set('Authorization', `Bearer ${sent}`)
    const response = await fetch(`/api/v1${path}`, { ...options, headers, cache: 'no-store', credentials: 'omit' })
    if (response.ok) return response
    const problem = await problemOf(response)
    if (response.status !== 401) throw new ApiError(problem)
    if (token.get() === sent) {
      if (isDeclined) throw new ApiError(problem)
      asking ??= askForToken(problem).finally(() => (asking = null))
      isDeclined = !(await asking)
      if (isDeclined) throw new ApiError(problem)
    }
  }
}

/** @param {string} path */
const read = async path => (await send(path)).json()

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 */
async function write(method, path, body, headers = {}) {
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const response = await send(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  return response.status === 204 ? null : response.json()
}

/** @param {{ pool: string, id: string }} backend */
const pathOf = ({ pool, id }) => `/pools/${encodeURIComponent(pool)}/backends/${encodeURIComponent(id)}`

export const get = {
  /** @returns {Promise<History>} */
  history: () => read('/overview/history'),
  /** @returns {Promise<Trends>} */
  trends: () => read('/overview/trends'),
  /** @param {{ pool: string, id: string }} backend @returns {Promise<History>} */
  course: backend => read(`${pathOf(backend)}/history`),
  /** @param {number} limit @returns {Promise<Events>} */
  events: limit => read(`/events/history?limit=${limit}`),
  /** @returns {Promise<Config>} */
  config: () => read('/config'),
  /** @returns {Promise<Differences>} */
  differences: () => read('/config/diff'),
  /** @returns {Promise<Reload>} */
  preview: () => read('/reload'),
}

/** Changes. One of a backend is made only if the backend is still as it was shown. */
export const change = {
  /**
   * @param {Backend} backend
   * @param {{ state?: string, weight?: number }} what
   * @returns {Promise<Backend>}
   */
  backend: (backend, what) => write('PATCH', pathOf(backend), what, { 'If-Match': backend.etag }),
  /** @param {Backend} backend */
  remove: backend => write('DELETE', pathOf(backend), undefined, { 'If-Match': backend.etag }),
  /**
   * @param {string} pool
   * @param {{ url: string, weight: number, id?: string }} what
   * @returns {Promise<Backend>}
   */
  add: (pool, what) =>
    write('POST', `/pools/${encodeURIComponent(pool)}/backends`, what, { 'If-None-Match': '*' }),
  /** @returns {Promise<Reload>} */
  reload: () => write('POST', '/reload'),
}
