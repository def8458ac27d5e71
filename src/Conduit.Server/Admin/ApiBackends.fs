namespace Conduit.Server

open System
open System.Threading.Tasks
open FsToolkit.ErrorHandling
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// Pools and backends: to see and to steer them.
[<RequireQualifiedAccess>]
module ApiBackends =

    let private segment index (http: HttpContext) =
        match http.Features.Get<IHttpRequestFeature>() with
        | null -> ""
        | feature -> RawPath.fromEnd index feature.RawTarget

    let private findPool (ports: ControlPorts) name : Result<PoolView, Problem> =
        ports.Agent.Current.Pools
        |> Array.tryFind (fun view -> PoolName.value view.Source.Name = name)
        |> Result.requireSome (Problem.NoSuchPool name)

    let private findBackend ports poolName id : Result<Target, Problem> =
        findPool ports poolName
        |> Result.bind (fun view ->
            view.Targets
            |> Array.tryFind (fun target -> BackendId.value target.Backend.Spec.Id = id)
            |> Result.requireSome (Problem.NoSuchBackend(poolName, id)))

    /// The backend that the path names: `.../{pool}/backends/{id}`.
    let private named ports http =
        findBackend ports (segment 2 http) (segment 0 http)

    let private show (ports: ControlPorts) (target: Target) = {
        Reply.ok (Views.backend ports target) with
            Etag = Some(Views.etag target.Backend)
    }

    let pools (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> =
        let pools: Wire.Pools = {
            Pools = ports.Agent.Current.Pools |> Array.map (Views.pool ports)
        }

        Task.FromResult(Ok(Reply.ok pools))

    let pool ports http : Task<Result<Reply, Problem>> =
        findPool ports (segment 0 http)
        |> Result.map (Views.poolDetail ports >> Reply.ok)
        |> Task.FromResult

    let private page http : Result<int * int, Problem> =
        validation {
            let! limit = RequestQuery.number http "limit" 1 1000 100
            and! offset = RequestQuery.number http "offset" 0 Int32.MaxValue 0
            return limit, offset
        }
        |> Result.mapError Problem.Invalid

    /// One page of a pool's backends, in their order.
    let list (ports: ControlPorts) http : Task<Result<Reply, Problem>> =
        result {
            let! limit, offset = page http
            let! view = findPool ports (segment 1 http)

            let backends: Wire.Backends = {
                Total = view.Targets.Length
                Limit = limit
                Offset = offset
                Backends =
                    view.Targets
                    |> Seq.skip (min offset view.Targets.Length)
                    |> Seq.truncate limit
                    |> Seq.map (Views.backend ports)
                    |> Seq.toArray
            }

            return Reply.ok backends
        }
        |> Task.FromResult

    let backend ports http : Task<Result<Reply, Problem>> =
        named ports http |> Result.map (show ports) |> Task.FromResult

    /// How a backend has been: `.../{pool}/backends/{id}/history`.
    let history (ports: ControlPorts) http : Task<Result<Reply, Problem>> =
        findBackend ports (segment 3 http) (segment 1 http)
        |> Result.map (Views.course ports >> Reply.ok)
        |> Task.FromResult

    /// Strong comparison, as If-Match wants it.
    let private ifMatch (http: HttpContext) (target: Target) =
        let current = Views.etag target.Backend

        let tags =
            (string http.Request.Headers.IfMatch).Split(',', StringSplitOptions.TrimEntries)

        if tags = [| "" |] || tags = [| "*" |] || Array.contains current tags then
            Ok()
        else
            Error(Problem.PreconditionFailed $"the backend's ETag is {current}")

    /// Makes a change and shows what came of it, if its precondition holds; no other change comes in
    /// between.
    let private exclusively
        (ports: ControlPorts)
        (precondition: unit -> Result<PoolName * PoolEvent list, Problem>)
        (outcome: unit -> Result<Reply, Problem>)
        : Task<Result<Reply, Problem>> = task {
        do! ports.Writing.WaitAsync()

        try
            match precondition () with
            | Error problem -> return Error problem
            | Ok(pool, news) ->
                let! _ = ports.Agent.Update(news |> List.map (fun each -> Event.InPool(pool, each)))
                return outcome ()
        finally
            ports.Writing.Release() |> ignore
    }

    let private clash (http: HttpContext) (view: PoolView) (spec: BackendSpec) =
        let taken same =
            view.Targets |> Array.exists (fun target -> same target.Backend.Spec)

        let id = Fault.quote (BackendId.value spec.Id)

        if not (taken (fun other -> other.Id = spec.Id || other.Url = spec.Url)) then
            Ok()
        elif string http.Request.Headers.IfNoneMatch = "*" then
            Error(Problem.PreconditionFailed $"{id} or its URL is in the pool")
        elif taken (fun other -> other.Id = spec.Id) then
            Error(Problem.Conflict $"the pool has a backend {id}")
        else
            Error(Problem.Conflict $"the pool has a backend with the URL {spec.Url}")

    let private path (target: Target) =
        let pool = Uri.EscapeDataString(PoolName.value target.Pool)
        let id = Uri.EscapeDataString(BackendId.value target.Backend.Spec.Id)
        $"/api/v1/pools/{pool}/backends/{id}"

    let private created ports target = {
        show ports target with
            Status = 201
            Location = Some(path target)
    }

    /// Adds a backend.
    let add (ports: ControlPorts) http : Task<Result<Reply, Problem>> = task {
        let pool = segment 1 http

        match! Body.read Body.addition http with
        | Error problem -> return Error problem
        | Ok spec ->
            return!
                exclusively
                    ports
                    (fun () -> result {
                        let! view = findPool ports pool
                        do! clash http view spec
                        return view.Source.Name, [ PoolEvent.Added spec ]
                    })
                    (fun () -> findBackend ports pool (BackendId.value spec.Id) |> Result.map (created ports))
    }

    /// Sets weight, backup and state, or some of them, at once.
    let change (ports: ControlPorts) http : Task<Result<Reply, Problem>> = task {
        match! Body.read Body.change http with
        | Error problem -> return Error problem
        | Ok wanted ->
            let news id = [
                match wanted.Weight with
                | Some weight -> PoolEvent.WeightSet(id, weight)
                | None -> ()
                match wanted.Backup with
                | Some backup -> PoolEvent.BackupSet(id, backup)
                | None -> ()
                match wanted.State with
                | Some state -> PoolEvent.AdminSet(id, state)
                | None -> ()
            ]

            return!
                exclusively
                    ports
                    (fun () -> result {
                        let! target = named ports http
                        do! ifMatch http target
                        return target.Pool, news target.Backend.Spec.Id
                    })
                    (fun () -> named ports http |> Result.map (show ports))
    }

    /// Takes a backend out of its pool; its requests in flight finish.
    let remove (ports: ControlPorts) http : Task<Result<Reply, Problem>> =
        exclusively
            ports
            (fun () -> result {
                let! target = named ports http
                do! ifMatch http target
                return target.Pool, [ PoolEvent.Removed target.Backend.Spec.Id ]
            })
            (fun () -> Ok Reply.empty)
