#!/bin/bash
# Runs every script under scripts/ and every sample under samples/, and checks what they say. Needs a Release build.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null && wait "$pid" || true; done
    rm -rf "$work"
}
trap finish EXIT
fail() { echo "scripts: $1" >&2; [ -z "${2:-}" ] || cat "$2" >&2; exit 1; }

# Runs a script; each further argument after `--` is a pattern that a line of its output must have.
script() {
    local name=$1 words=() out="$work/out"
    shift
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    dotnet fsi --optimize- "scripts/$name.fsx" "${words[@]}" >"$out" 2>&1 || fail "$name ended with $?" "$out"
    for pattern in "$@"; do
        grep -Eq -- "$pattern" "$out" || fail "$name does not say $pattern" "$out"
    done
    echo "$name: as expected"
}

script simulate-strategies --requests 5000 -- '^strategy +p50' '^round-robin +[0-9.]+ ms' '^least-connections' \
    '^idle-first' '^slow +[0-9]+ +[0-9.]+ %' '#'
script visual-test --requests 40 --concurrency 10 --sleep 300 -- '^answered +[0-9]+  in flight: [0-9]+ ' \
    '^Backend +Fast +Slow +Total' '^app-1 ' '^app-2 ' '^app-3 ' '^all +28 +12 +40$'
script load-mix --requests 60 --concurrency 20 --sleep 200 -- '^fast +42 ' '^slow +18 +p50 +2[0-9]{2}\.' '^200: 60$'
script rolling-restart -- '^app-1: drained' '^app-3: restarted, ready' '^[1-9][0-9]* requests meanwhile, 0 failed$'
script own-strategy --requests 50 -- '^usual +40$' '^canary +10$'
script generate-certs "$work/certs" balancer.test 127.0.0.1 -- 'server.crt .*for balancer.test, 127.0.0.1;'
openssl verify -CAfile "$work/certs/ca.crt" -verify_hostname balancer.test "$work/certs/server.crt" >/dev/null \
    || fail "the certificate is not good"

# Asks until a URL answers.
await() {
    for _ in $(seq 150); do
        if curl --silent --fail --max-time 5 --output /dev/null "$1"; then return 0; fi
        sleep 0.1
    done
    fail "$1 does not answer" "$2"
}

conduit=artifacts/bin/Conduit.Server/release/conduit
first=$(shuf -i 20000-23000 -n 1)
second=$(shuf -i 23001-26000 -n 1)
"$conduit" backend --host 127.0.0.1 --port "$first" --name first >"$work/first" 2>&1 & pids+=($!)
"$conduit" backend --host 127.0.0.1 --port "$second" --name second >"$work/second" 2>&1 & pids+=($!)
await "http://127.0.0.1:$first/healthz" "$work/first"
await "http://127.0.0.1:$second/healthz" "$work/second"

for sample in Sample.CSharp Sample.FSharp; do
    port=$(shuf -i 26001-32000 -n 1)
    "artifacts/bin/$sample/release/$sample" --urls "http://127.0.0.1:$port" \
        --backends "http://127.0.0.1:$first;id=one,http://127.0.0.1:$second;id=two" >"$work/sample" 2>&1 &
    pid=$!
    pids+=("$pid")
    await "http://127.0.0.1:$port/hello" "$work/sample"
    [ "$(curl --silent "http://127.0.0.1:$port/hello")" = "Hello from the application" ] || fail "$sample: /hello" "$work/sample"
    for _ in 1 2 3 4 5 6; do curl --silent "http://127.0.0.1:$port/any/path?x=%2F"; done >"$work/answers"
    [ "$(grep -c 'first$' "$work/answers")" -eq 3 ] && [ "$(grep -c 'second$' "$work/answers")" -eq 3 ] \
        || fail "$sample does not balance evenly" "$work/answers"
    grep -q '^observed: backend_added one$' "$work/sample" || fail "$sample observed nothing" "$work/sample"
    kill -TERM "$pid"
    wait "$pid" || fail "$sample ended with $?" "$work/sample"
    echo "$sample: as expected"
done
