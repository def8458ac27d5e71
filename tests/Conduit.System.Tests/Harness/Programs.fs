namespace Conduit.SystemTests

open System
open System.IO

/// A program of the operating system that the tests drive.
type Program = {
    Name: string
    /// The Debian package that has it.
    Package: string
}

/// Where the programs are: the real ones from the system, and `conduit` from this repository.
[<RequireQualifiedAccess>]
module Programs =

    let nginx = {
        Name = "nginx"
        Package = "nginx-light"
    }

    let hey = { Name = "hey"; Package = "hey" }
    let wrk = { Name = "wrk"; Package = "wrk" }
    let curl = { Name = "curl"; Package = "curl" }

    /// Clients that are slow on purpose.
    let slowhttptest = {
        Name = "slowhttptest"
        Package = "slowhttptest"
    }

    let dnsmasq = {
        Name = "dnsmasq"
        Package = "dnsmasq-base"
    }

    /// The browser and the scripts of the dashboard's tests.
    let chromium = {
        Name = "chromium"
        Package = "chromium"
    }

    let node = { Name = "node"; Package = "nodejs" }

    let prometheus = {
        Name = "prometheus"
        Package = "prometheus"
    }

    let promtool = {
        Name = "promtool"
        Package = "prometheus"
    }

    let testssl = {
        Name = "testssl"
        Package = "testssl.sh"
    }

    let h2load = {
        Name = "h2load"
        Package = "nghttp2-client"
    }

    let nghttp = {
        Name = "nghttp"
        Package = "nghttp2-client"
    }

    let haproxy = {
        Name = "haproxy"
        Package = "haproxy"
    }

    let private all = [
        nginx
        hey
        wrk
        curl
        slowhttptest
        dnsmasq
        chromium
        node
        prometheus
        promtool
        testssl
        h2load
        nghttp
        haproxy
    ]

    /// Servers are in the sbin directories, which are not on everybody's PATH.
    let private directories =
        lazy
            (let path = Environment.GetEnvironmentVariable "PATH" |> Option.ofObj

             let listed =
                 (Option.defaultValue "" path).Split(':', StringSplitOptions.RemoveEmptyEntries)

             [ yield! listed; "/usr/local/sbin"; "/usr/sbin"; "/sbin" ])

    let private find program =
        directories.Value
        |> List.map (fun directory -> Path.Combine(directory, program.Name))
        |> List.tryFind File.Exists

    let rec private rootAbove (directory: DirectoryInfo) =
        if File.Exists(Path.Combine(directory.FullName, "Conduit.sln")) then
            directory.FullName
        else
            match directory.Parent with
            | null -> failwith $"no Conduit.sln above {AppContext.BaseDirectory}"
            | parent -> rootAbove parent

    /// The root of the repository.
    let root = lazy (rootAbove (DirectoryInfo(AppContext.BaseDirectory)))

    /// The executable under test: what CONDUIT_EXE names, from the repository's root if it is relative;
    /// else the one that was built in the same configuration as the tests.
    let conduit =
        lazy
            (let here = DirectoryInfo(AppContext.BaseDirectory.TrimEnd '/')

             let path =
                 match Environment.GetEnvironmentVariable "CONDUIT_EXE" with
                 | null
                 | "" -> $"artifacts/bin/Conduit.Server/{here.Name}/conduit"
                 | given -> given

             Path.GetFullPath(path, root.Value))

    /// The path of a program; the run cannot go on without it.
    let path program =
        match find program with
        | Some path -> path
        | None -> failwith $"{program.Name} is not installed (Debian package {program.Package})"

    /// What the run lacks, in one message for all of it, or nothing.
    let missing () =
        let programs = all |> List.filter (find >> Option.isNone)

        let lines = [
            if not programs.IsEmpty then
                let names = programs |> List.map _.Name |> String.concat ", "
                let packages = programs |> List.map _.Package |> String.concat " "

                $"The system tests need {names}: run eng/install-system-programs.sh as root on Debian, "
                + $"or install what your system calls the packages {packages}."
            if not (File.Exists conduit.Value) then
                $"There is no conduit at {conduit.Value}: build src/Conduit.Server in the same configuration, "
                + "or name an executable with CONDUIT_EXE."
        ]

        if lines.IsEmpty then
            None
        else
            Some(String.concat "\n" lines)
