// What the page knows: the newest figures of all backends, and how they came to be.
import { get } from './api.js'
/** @import { Backend, HistoryPoint, Live } from './wire.js' */

/** Points of a history that are kept: a quarter of an hour. */
export const historyLength = 180
/** Points of the small graphs: five minutes. */
export const trendLength = 60

/** @param {{ pool: string, id: string }} backend */
export const keyOf = backend => JSON.stringify([backend.pool, backend.id])

/**
 * @template T
 * @param {T[]} values the newest last
 * @param {T} value
 * @param {number} length
 */
function append(values, value, length) {
  values.push(value)
  if (values.length > length) values.shift()
}

/**
 * A backend at this moment, as a point of its history.
 * @param {Backend} backend
 * @param {string} at
 * @returns {HistoryPoint}
 */
function pointOf(backend, at) {
  const { requests_per_second, error_ratio, latency_ms: latency } = backend.recent['10s']
  return { at, requests_per_second, error_ratio, p50_ms: latency.p50, p99_ms: latency.p99, in_flight: backend.in_flight }
}

export class Store {
  /** @type {Live | null} */
  live = null
  /** When the newest figures came, in milliseconds of the page's own clock. */
  receivedAt = 0
  /** @type {Map<string, Backend>} */
  backends = new Map()
  /** When each backend's figures came, for what counts from then on. @type {Map<string, number>} */
  since = new Map()
  /** The request rates of each backend. @type {Map<string, number[]>} */
  trends = new Map()
  /** @type {HistoryPoint[]} */
  history = []
  /** The history of the backend whose page is open, and which that is. */
  course = { key: '', points: /** @type {HistoryPoint[]} */ ([]) }
  /** Goes up when a backend came, went or moved. */
  arrangement = 0

  /**
   * @param {Live} live
   * @param {boolean} isWhole
   */
  accept(live, isWhole) {
    const now = performance.now()
    if (isWhole) {
      this.backends = new Map(live.backends.map(backend => [keyOf(backend), backend]))
      this.since = new Map()
      this.arrangement++
      for (const key of this.trends.keys()) if (!this.backends.has(key)) this.trends.delete(key)
    }
    for (const backend of live.backends) {
      const key = keyOf(backend)
      this.backends.set(key, backend)
      this.since.set(key, now - backend.since_seconds * 1000)
    }
    this.#remember(live.newest)
    this.live = live
    this.receivedAt = now
  }

  /** A step of all histories. @param {HistoryPoint | null} point */
  #remember(point) {
    const last = this.history.at(-1)
    if (!point || (last && point.at <= last.at)) return
    append(this.history, point, historyLength)
    for (const [key, backend] of this.backends) {
      const trend = this.trends.get(key) ?? []
      append(trend, backend.recent['10s'].requests_per_second, trendLength)
      this.trends.set(key, trend)
      if (key === this.course.key) append(this.course.points, pointOf(backend, point.at), historyLength)
    }
  }

  /** What was before this page was opened. */
  async recall() {
    const [{ points }, { trends }] = await Promise.all([get.history(), get.trends()])
    this.history = points
    this.trends = new Map(trends.map(trend => [keyOf(trend), trend.requests_per_second]))
  }

  /**
   * What was of one backend, which goes on from now.
   * @param {{ pool: string, id: string }} backend
   */
  async recallCourse(backend) {
    const key = keyOf(backend)
    this.course = { key, points: [] }
    const { points } = await get.course(backend)
    if (this.course.key === key) this.course.points = points
  }

  /** How old the figures are, in seconds. */
  get age() {
    return (performance.now() - this.receivedAt) / 1000
  }

  /**
   * How long a backend has been available, or not, in seconds.
   * @param {Backend} backend
   */
  inStateFor(backend) {
    return (performance.now() - (this.since.get(keyOf(backend)) ?? performance.now())) / 1000
  }

  /**
   * The time of the server, for how long ago something was.
   * @param {string | null} instant
   */
  secondsSince(instant) {
    if (!instant || !this.live) return null
    return (Date.parse(this.live.overview.at) - Date.parse(instant)) / 1000 + this.age
  }
}
