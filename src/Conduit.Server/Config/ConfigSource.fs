namespace Conduit.Server

open System
open System.IO
open System.Security.Cryptography
open System.Text
open FsToolkit.ErrorHandling
open Conduit

/// What a configuration is made of, from the weakest to the strongest: a file, if there is one, then
/// the environment, then flags.
type ConfigSource = {
    File: string option
    /// Paths and values that go over the file's, the strongest last.
    Overlay: (string list * Node) list
}

/// A configuration, and what it was read from.
type LoadedConfig = {
    Config: Config
    /// SHA-256 of the file's bytes as lower-case hex, if there is a file.
    Hash: string option
    /// Of the file, taken before it was read.
    Stamp: FileStamp option
    Places: PortPlaces
}

[<RequireQualifiedAccess>]
module ConfigSource =

    let private variable (name: string) =
        Environment.GetEnvironmentVariable name |> Option.ofObj

    /// Larger files are a mistake.
    let private largest = 64L * 1024L * 1024L

    let private readBytes (path: string) : Result<byte[], string> =
        try
            if Directory.Exists path then
                Error $"{path} is a directory"
            elif FileInfo(path).Length > largest then
                Error $"the file {path} is larger than 64 MiB"
            else
                Ok(File.ReadAllBytes path)
        with
        | :? FileNotFoundException
        | :? DirectoryNotFoundException -> Error $"the file {path} does not exist"
        | :? IOException
        | :? UnauthorizedAccessException -> Error $"the file {path} cannot be read"

    let private readSecret path =
        readBytes path |> Result.map Encoding.UTF8.GetString

    let private parse (file: string) (text: string) =
        if file.EndsWith(".json", StringComparison.OrdinalIgnoreCase) then
            JsonTree.parse file text
        else
            YamlTree.parse file text

    /// Reads everything anew; all faults at once.
    let load (source: ConfigSource) : Result<LoadedConfig, Fault list> = result {
        let stamp = source.File |> Option.bind FileStamp.read

        let! bytes =
            match source.File with
            | None -> Ok None
            | Some file ->
                readBytes file
                |> Result.map Some
                |> Result.mapError (fun why -> [ Fault.create "--config" why "name a file that can be read" ])

        let! document =
            match source.File, bytes with
            | Some file, Some bytes -> SourceText.ofBytes file bytes |> Result.bind (parse file)
            | _ -> Ok(Node.mapping (Origin.Given "--backends") [])

        let! document = Substitute.apply variable "" document

        let document = Layers.over document source.Overlay
        let! config = ReadConfig.read readSecret document

        return {
            Config = config
            Hash = bytes |> Option.map (SHA256.HashData >> Convert.ToHexStringLower)
            Stamp = stamp
            Places = PortPlaces.find document
        }
    }
