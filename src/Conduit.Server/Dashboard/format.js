// Numbers, times and words as the page shows them.

export const nothing = '–'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })
const dayAndTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

/** @param {number} value */
export const count = value => (value < 100000 ? whole.format(value) : compact.format(value))

/**
 * A rate by the second.
 * @param {number} value
 */
export function rate(value) {
  if (value === 0) return '0'
  if (value < 10) return value.toFixed(1)
  return count(value)
}

/**
 * A share from 0 to 1 in percent; null while there is nothing to tell.
 * @param {number | null} value
 */
export function percent(value) {
  if (value === null) return nothing
  const percents = value * 100
  if (percents === 0) return '0%'
  if (percents < 0.01) return '<0.01%'
  return `${percents < 1 ? percents.toFixed(2) : percents < 99.95 ? percents.toFixed(1) : '100'}%`
}

/**
 * A duration in milliseconds with its unit; null while nothing was measured.
 * @param {number | null} value
 */
export function milliseconds(value) {
  if (value === null) return nothing
  if (value < 10) return `${value.toFixed(1)} ms`
  if (value < 1000) return `${value.toFixed(0)} ms`
  return `${(value / 1000).toFixed(value < 10000 ? 2 : 1)} s`
}

/**
 * A span in the two largest units that it has.
 * @param {number} seconds
 */
export function span(seconds) {
  const all = Math.max(0, Math.floor(seconds))
  const [days, hours, minutes] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  if (minutes > 0) return `${minutes} min ${all % 60} s`
  return `${all} s`
}

/**
 * How long ago, in one unit.
 * @param {number} seconds
 */
export function ago(seconds) {
  if (seconds < 1.5) return 'just now'
  if (seconds < 90) return `${Math.round(seconds)} s ago`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`
  return `${Math.round(seconds / 86400)} d ago`
}

/** @param {string} instant */
export const clock = instant => time.format(new Date(instant))

/** @param {string} instant */
export const date = instant => dayAndTime.format(new Date(instant))

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export const plural = (number, one, many = one + 's') => `${count(number)} ${number === 1 ? one : many}`
