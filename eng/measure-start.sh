#!/bin/bash
# How long a program takes from its start to the first request that it has served through a backend:
#
#     bash eng/measure-start.sh artifacts/release/linux-x64/conduit [ROUNDS]
#
# Prints each round in milliseconds and the median on the last line.
set -euo pipefail
program=$1
rounds=${2:-11}
backend_port=$(shuf -i 20000-25000 -n 1)
port=$(shuf -i 25001-30000 -n 1)
pids=()
trap 'for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done' EXIT

# Asks once; nothing where nobody listens, else the status.
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET / HTTP/1.1\r\nHost: start.test\r\nConnection: close\r\n\r\n' >&3
    local line
    read -r -t 5 line <&3 || true
    exec 3>&-
    [[ "$line" == *" 200 "* ]]
} 2>/dev/null

# Nothing ever comes out of it: reading from it with a limit is a pause that starts no process.
exec {nothing}<> <(:)

await() {
    until ask "$1"; do
        read -r -t 0.003 -u "$nothing" || true
        kill -0 "$2" 2>/dev/null || { echo "$program has ended" >&2; exit 1; }
    done
}

"$program" backend --host 127.0.0.1 --port "$backend_port" --name start >/dev/null &
pids+=($!)
await "$backend_port" $!

times=()
for _ in $(seq "$rounds"); do
    begun=${EPOCHREALTIME/./}
    "$program" --backends "http://127.0.0.1:$backend_port" --host 127.0.0.1 --port "$port" --admin-port 0 >/dev/null &
    pids+=($!)
    await "$port" $!
    times+=($(((${EPOCHREALTIME/./} - begun) / 1000)))
    kill -TERM $!
    wait $! || true
done

echo "${times[*]} ms"
printf '%s\n' "${times[@]}" | sort -n | sed -n "$(((rounds + 1) / 2))p"
