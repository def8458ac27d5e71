// The JSON of the admin API, as /api/v1/openapi.json describes it.

/** In milliseconds; null while nothing was measured. */
export type Latency = { p50: number | null; p90: number | null; p99: number | null; p99_9: number | null }

/** What happened in one window of time. */
export type Figures = {
  requests_per_second: number
  errors_per_second: number
  error_ratio: number | null
  latency_ms: Latency
}

export type Recent = { '10s': Figures; '1m': Figures; '5m': Figures }

export type Backend = {
  id: string
  pool: string
  url: string
  weight: number
  /** Gets traffic only while no other is available. */
  backup: boolean
  /** What an operator said of it. */
  state: string
  health: string
  breaker?: string
  ejected?: boolean
  available: boolean
  in_flight: number
  requests: number
  failures: number
  latency_ms: Latency
  recent: Recent
  last_failure: string | null
  last_failure_at: string | null
  last_check_at: string | null
  last_check_passed: boolean | null
  since_seconds: number
  etag: string
}

export type Pool = {
  name: string
  strategy: string
  backends: number
  available: number
  in_flight: number
  requests: number
  failures: number
  recent: Recent
}

export type Overview = {
  at: string
  uptime_seconds: number
  pools: number
  backends: number
  available: number
  in_flight: number
  requests: number
  failures: number
  recent: Recent
}

export type HistoryPoint = {
  at: string
  requests_per_second: number
  error_ratio: number | null
  p50_ms: number | null
  p99_ms: number | null
  in_flight: number
}

export type History = { step_seconds: number; points: HistoryPoint[] }

export type Trends = { step_seconds: number; trends: { pool: string; id: string; requests_per_second: number[] }[] }

export type Live = {
  overview: Overview
  draining: boolean
  config_version: number
  config_failed_at: string | null
  last_event: number
  newest: HistoryPoint | null
  pools: Pool[]
  /** All of them, or those that changed. */
  backends: Backend[]
}

export type Fault = { where: string; what: string; remedy: string }

export type Problem = { type: string; title: string; status: number; detail: string; faults?: Fault[] }

/** One event; which of the parts are there depends on the type. */
export type PastEvent = {
  number: number
  type: string
  at: string
  pool?: string
  backend?: string
  url?: string
  state?: string
  breaker?: string
  weight?: number
  reason?: string
  version?: number
  changes?: string[]
  faults?: Fault[]
}

export type Events = { events: PastEvent[] }

export type Config = {
  version: number
  loaded_at: string
  source: string | null
  hash: string | null
  changes: string[]
  last_failure: { at: string; faults: Fault[] } | null
  effective: Record<string, any>
}

export type Difference = { where: string; file: string | null; runtime: string | null }

export type Differences = { differences: Difference[] }

export type Reload = { version: number; changes: string[] }
