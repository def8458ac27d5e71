// The live figures as they come. EventSource cannot send a token, so the stream is read with fetch.
import { ApiError, send } from './api.js'
/** @import { Live } from './wire.js' */

/** A stream that says nothing for so long is given up, in milliseconds. */
const patience = 5000
/** From one attempt to the next, in milliseconds. */
const firstPause = 500
const longestPause = 4000

/** @param {string} block */
function parse(block) {
  let event = ''
  let data = ''
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) event = line.slice(7)
    else if (line.startsWith('data: ')) data += line.slice(6)
  }
  return { event, data }
}

/**
 * @param {ReadableStream<any>} body
 * @param {() => void} onBytes
 */
async function* blocks(body, onBytes) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    onBytes()
    const parts = (rest + value).split('\n\n')
    rest = parts.pop() ?? ''
    for (const part of parts) yield parse(part)
  }
}

/** @param {number} duration milliseconds */
const pause = duration => new Promise(resolve => setTimeout(resolve, duration))

/**
 * @param {(live: Live, isWhole: boolean) => void} onFrame
 */
async function follow(onFrame) {
  const giveUp = new AbortController()
  let timer = setTimeout(() => giveUp.abort(), patience)
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => giveUp.abort(), patience)
  }
  try {
    const response = await send('/live', { signal: giveUp.signal })
    if (!response.body) throw new Error('the stream has no body')
    for await (const { event, data } of blocks(response.body, alive)) {
      if (data) onFrame(JSON.parse(data), event === 'whole')
    }
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Follows the live figures for as long as the page lives, and connects again when they stop.
 * @param {(live: Live, isWhole: boolean) => void} onFrame
 * @param {(why: string | null) => void} onLost why there are no figures; null when there is no answer at all
 */
export async function followForEver(onFrame, onLost) {
  let next = firstPause
  for (;;) {
    try {
      await follow((live, isWhole) => {
        next = firstPause
        onFrame(live, isWhole)
      })
      onLost(null)
    } catch (error) {
      onLost(error instanceof ApiError ? error.problem.title : null)
    }
    await pause(next * (0.75 + Math.random() / 2))
    next = Math.min(next * 2, longestPause)
  }
}
