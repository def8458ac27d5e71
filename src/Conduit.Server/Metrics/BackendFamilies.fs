namespace Conduit.Server

open System
open Conduit

/// What metrics tell of requests and of the backends that took them.
[<RequireQualifiedAccess>]
module BackendFamilies =

    let private counters (entry: LedgerEntry) = entry.Gauges |> List.map _.Counters

    /// The label `backend` alone: a backend that is in several pools is one.
    let private byBackend (ledger: Ledger) =
        ledger.Entries
        |> Seq.groupBy _.Backend
        |> Seq.map (fun (backend, entries) -> backend, List.ofSeq entries)

    let private labels (entry: LedgerEntry) = [ "pool", PoolName.value entry.Pool; "backend", entry.Backend ]

    let private sum (counter: Counters -> int64) (entry: LedgerEntry) =
        counters entry |> List.sumBy counter |> float

    let private targets (agent: Agent) =
        agent.Current.Pools |> Seq.collect _.Targets

    let private requests (ledger: Ledger) (unserved: Counters) () = seq {
        let ofBackend backend (counters: Counters list) =
            counters
            |> List.collect _.Requests.Read()
            |> List.groupBy (fun each -> each.Method, each.Status)
            |> List.map (fun ((method, status), each) ->
                [ "backend", backend; "method", method; "status", string status ],
                each |> List.sumBy _.Count |> float)

        for backend, entries in byBackend ledger do
            yield! ofBackend backend (List.collect counters entries)

        yield! ofBackend "none" [ unserved ]
    }

    let private durations (ledger: Ledger) (unserved: Counters) () = seq {
        for backend, entries in byBackend ledger do
            [ "backend", backend ],
            entries
            |> List.collect counters
            |> List.map _.Duration.Read()
            |> Distribution.merge

        [ "backend", "none" ], unserved.Duration.Read()
    }

    /// Up where it is up in every pool that it is in.
    let private up (agent: Agent) () =
        targets agent
        |> Seq.groupBy (fun target -> string target.Backend.Spec.Url)
        |> Seq.map (fun (backend, targets) ->
            [ "backend", backend ],
            targets
            |> Seq.forall (fun target -> Health.isUp target.Backend.Health)
            |> Family.flag)

    let private active (agent: Agent) () =
        targets agent
        |> Seq.groupBy (fun target -> string target.Backend.Spec.Url)
        |> Seq.map (fun (backend, targets) ->
            [ "backend", backend ], targets |> Seq.sumBy _.Gauge.InFlight |> float)

    /// Only a rate limit makes Conduit itself answer 429.
    let private rateLimited (unserved: Counters) () =
        unserved.Requests.Read()
        |> List.filter (fun each -> each.Status = 429)
        |> List.sumBy _.Count
        |> float

    let private responses (ledger: Ledger) () = seq {
        for entry in ledger.Entries do
            for kind, each in
                counters entry
                |> List.collect _.Requests.Read()
                |> List.groupBy (fun each -> $"{each.Status / 100}xx") do
                labels entry @ [ "class", kind ], each |> List.sumBy _.Count |> float
    }

    let private failures (ledger: Ledger) () = seq {
        for entry in ledger.Entries do
            let failed = counters entry |> List.map _.Failed |> List.reduce (Array.map2 (+))

            for index in 0 .. failed.Length - 1 do
                labels entry @ [ "cause", FailureCause.names[index] ], float failed[index]
    }

    let private states (agent: Agent) () = seq {
        for target in targets agent do
            [
                "pool", PoolName.value target.Pool
                "backend", string target.Backend.Spec.Url
                "id", BackendId.value target.Backend.Spec.Id
                "state", Wire.ofState target.Backend.Admin
            ],
            1.0
    }

    let private breakers (agent: Agent) () = seq {
        for target in targets agent do
            for state in [ "closed"; "half-open"; "open" ] do
                [
                    "pool", PoolName.value target.Pool
                    "backend", string target.Backend.Spec.Url
                    "state", state
                ],
                Family.flag (Breaker.name target.Backend.Breaker = state)
    }

    let private rejections (agent: Agent) (refused: Rejections) () = seq {
        for reason, name in
            [
                RejectReason.LineTooLong, "line_too_long"
                RejectReason.HeadTooLarge, "head_too_large"
                RejectReason.HeadTooSlow, "head_too_slow"
                RejectReason.Malformed, "malformed"
            ] do
            [ "pool", "none"; "reason", name ], float (refused.Count reason)

        for view in agent.Current.Pools do
            for reason, name in
                [
                    RejectReason.Denied, "denied"
                    RejectReason.RateLimited, "rate_limited"
                    RejectReason.Busy, "busy"
                    RejectReason.BodyTooLarge, "body_too_large"
                    RejectReason.QueueFull, "queue_full"
                    RejectReason.QueueTimeout, "queue_timeout"
                ] do
                [ "pool", PoolName.value view.Source.Name; "reason", name ],
                float (view.Rejections.Count reason)
    }

    let private ofPools (agent: Agent) (figure: PoolView -> float) () =
        agent.Current.Pools
        |> Seq.map (fun view -> [ "pool", PoolName.value view.Source.Name ], figure view)

    let private queued (view: PoolView) =
        match view.Line with
        | null -> 0.0
        | line -> float line.Count

    /// `unserved` counts the requests that no backend took, `refused` those that came no further than their heads.
    let all (agent: Agent) (ledger: Ledger) (unserved: Counters) (refused: Rejections) : Family list =
        let counter name help (value: Counters -> Counter) =
            Family.counter name help (fun () ->
                ledger.Entries
                |> Seq.map (fun entry -> labels entry, sum (fun each -> (value each).Value) entry))

        let two name help first second (read: (Counters -> Counter) * (Counters -> Counter)) label =
            Family.counter name help (fun () -> seq {
                for entry in ledger.Entries do
                    labels entry @ [ label, first ], sum (fun each -> (fst read each).Value) entry
                    labels entry @ [ label, second ], sum (fun each -> (snd read each).Value) entry
            })

        let times name help (value: Counters -> TimeHistogram) =
            Family.histogram name help TimeHistogram.RequestBounds (fun () ->
                ledger.Entries
                |> Seq.map (fun entry ->
                    labels entry,
                    counters entry
                    |> List.map (fun each -> (value each).Read())
                    |> Distribution.merge))

        [
            Family.counter
                "lb_requests_total"
                "Requests by the backend that was tried last and by what the client was answered; backend is none where no backend was chosen, status 499 where the client left before an answer."
                (requests ledger unserved)
            Family.histogram
                "lb_request_duration_seconds"
                "Time from the head of a request to the end of its response; tunnels are not in it."
                TimeHistogram.RequestBounds
                (durations ledger unserved)
            Family.gauge "lb_backend_up" "Whether the backend is healthy: 1 or 0." (up agent)
            Family.gauge "lb_active_connections" "Requests in flight at the backend." (active agent)
            Family.counter
                "lb_rate_limited_requests_total"
                "Requests that a rate limit refused."
                (Family.one (rateLimited unserved))
            Family.counter
                "lb_backend_responses_total"
                "The same requests as in lb_requests_total, by pool and class of status."
                (responses ledger)
            Family.counter
                "lb_backend_tries_total"
                "Tries at forwarding a request, retries among them."
                (fun () ->
                    ledger.Entries
                    |> Seq.map (fun entry -> labels entry, entry.Gauges |> List.sumBy _.Requests |> float))
            Family.counter
                "lb_backend_failures_total"
                "Tries that ended without a whole answer, by cause."
                (failures ledger)
            counter "lb_backend_retries_total" "Tries that failed and were followed by another one." _.Retried
            times
                "lb_backend_first_byte_seconds"
                "Time from the head of a request to the head of the backend's response."
                _.FirstByte
            times
                "lb_backend_connect_seconds"
                "Time that new connections to the backend took; its count is that of connections opened over Conduit's own transport."
                _.Connect
            counter "lb_backend_received_bytes_total" "Bytes of requests' bodies, from clients." _.Received
            counter "lb_backend_sent_bytes_total" "Bytes of responses' bodies, to clients." _.Sent
            two
                "lb_health_checks_total"
                "Health checks by result."
                "passed"
                "failed"
                (_.ChecksPassed, _.ChecksFailed)
                "result"
            two
                "lb_backend_health_changes_total"
                "Turns of the backend's health."
                "up"
                "down"
                (_.TurnsUp, _.TurnsDown)
                "to"
            Family.gauge
                "lb_backend_breaker_state"
                "1 for the state that the backend's circuit breaker is in, 0 for the others."
                (breakers agent)
            counter
                "lb_backend_breaker_opened_total"
                "Times that the backend's circuit breaker has opened."
                _.BreakerOpened
            Family.counter
                "lb_rejected_requests_total"
                "Requests that were not taken into their pool, by reason; pool is none where the head of the request was refused."
                (rejections agent refused)
            Family.gauge
                "lb_backend_info"
                "What an operator has said of the backend; always 1."
                (states agent)
            Family.gauge
                "lb_pool_backends"
                "Backends in the pool."
                (ofPools agent (_.Targets.Length >> float))
            Family.gauge
                "lb_pool_available_backends"
                "Backends that may get new requests."
                (ofPools agent (_.Available.Length >> float))
            Family.gauge
                "lb_pool_queued_requests"
                "Requests that wait for a place on a backend of the pool."
                (ofPools agent queued)
            Family.counter
                "lb_pool_retries_refused_total"
                "Further tries that the pool's retry budget did not allow."
                (ofPools agent (_.Budget.Refused >> float))
        ]
