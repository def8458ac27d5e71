namespace Conduit.Server

open System.IO
open System.Net
open System.Net.Sockets
open System.Threading.Tasks
open Conduit

/// Taking a port, with its failures as values.
[<RequireQualifiedAccess>]
module Binding =

    let private fault (flag: string) (endPoint: IPEndPoint) (error: exn) =
        let say what remedy =
            Error(Fault.create flag $"{endPoint} {what}" remedy)

        match error, error.InnerException with
        | (:? SocketException as socket), _
        | _, (:? SocketException as socket) ->
            match socket.SocketErrorCode with
            | SocketError.AccessDenied -> say "may not be taken by this user" "choose a port above 1023"
            | SocketError.AddressNotAvailable ->
                say "is not an address of this machine" "choose one that is, or *"
            | _ -> say "is taken" "end the program that has it, or choose another port"
        | _ -> say "is taken" "end the program that has it, or choose another port"

    /// What `start` gives, or why the port cannot be had.
    let attempt flag endPoint (start: unit -> Task<'a>) : Task<Result<'a, Fault>> = task {
        try
            let! started = start ()
            return Ok started
        with
        | :? IOException as error -> return fault flag endPoint error
        | :? SocketException as error -> return fault flag endPoint error
    }
