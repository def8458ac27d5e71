#!/bin/bash
# Builds the Dockerfile with buildah, without a registry and without a daemon, and runs Conduit from the image's own file
# system as the image's user. The base images are made on the spot under the names that the Dockerfile gives them:
# a Debian by debootstrap, with the .NET of this machine. Needs root on Debian; says so and ends with 0 elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ] || [ ! -f /etc/debian_version ]; then
    echo "image test: skipped, it needs root on Debian"
    exit 0
fi

if ! command -v buildah >/dev/null || ! command -v debootstrap >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends buildah debootstrap >/dev/null
fi

work=$(mktemp -d /var/tmp/conduit-image.XXXXXX)
dotnet_home=$(dirname "$(readlink -f "$(command -v dotnet)")")
packages=${NUGET_PACKAGES:-$HOME/.nuget/packages}
pids=()

finish() {
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    buildah umount --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

# Storage of its own: nothing of this machine's is touched, and all of it goes at the end.
buildah() {
    command buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

fail() { echo "image test: $1" >&2; exit 1; }

# An image under a name, with the files that are below a directory.
base() {
    local container
    container=$(buildah from scratch)
    buildah copy --quiet "$container" "$2" / >/dev/null
    buildah config --user "$3" --env DOTNET_ROOT=/usr/share/dotnet --env DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 \
        --env DOTNET_NOLOGO=true --env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit --quiet --rm "$container" "$1" >/dev/null
}

name_of() { sed -n "s/^ARG $1=//p" Dockerfile; }

echo "== stand-ins for the base images"
debootstrap --variant=minbase --include=ca-certificates,libssl3,libstdc++6,zlib1g \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/root" >"$work/debootstrap.log" 2>&1 \
    || { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
rm -rf "$work/root/var/cache/apt/archives" "$work/root/var/lib/apt/lists" "$work/root/usr/share/doc" \
    "$work/root/usr/share/locale" "$work/root/usr/share/man"
mkdir -p "$work/root/usr/share/dotnet" "$work/root/var/cache/apt/archives/partial"
ln -s /usr/share/dotnet/dotnet "$work/root/usr/bin/dotnet"
# The SDK is as large as all the rest: it is mounted into the build, not copied into its image.
base "$(name_of SDK_IMAGE)" "$work/root" root
cp -a "$dotnet_home/dotnet" "$dotnet_home/host" "$dotnet_home/shared" "$work/root/usr/share/dotnet/"
base "$(name_of RUNTIME_IMAGE)" "$work/root" 1654

echo "== the Dockerfile"
cp -a /etc/ssl/certs "$work/certificates"
buildah build --quiet --isolation chroot --format docker --pull-never --layers=false \
    --platform "linux/$(dpkg --print-architecture)" \
    --volume "$dotnet_home:/usr/share/dotnet:ro" --volume "$packages:/root/.nuget/packages" \
    --volume "$work/certificates:/etc/ssl/certs:ro" \
    --build-arg VERSION=test --tag conduit:test . >/dev/null

inspect() { buildah inspect --type image --format "$1" conduit:test; }
[ "$(inspect '{{.Docker.Config.User}}')" = 1654:1654 ] || fail "the image runs as another user"
[ "$(inspect '{{index .Docker.Config.Labels "org.opencontainers.image.version"}}')" = test ] || fail "no version label"
health=$(inspect '{{.Docker.Config.Healthcheck.Test}}')
[ "$health" = "[CMD /app/conduit check --health http://127.0.0.1:8090/livez]" ] || fail "health check $health"

echo "== Conduit from the image, its file system read-only"
container=$(buildah from --pull-never conduit:test)
mounted=$(buildah mount "$container")
workdir=$(inspect '{{.Docker.Config.WorkingDir}}')

# Replaces this shell, so that the job's id is that of the program itself.
# shellcheck disable=SC2016
inside='mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t proc proc "$0/proc" &&
    mount --bind /dev "$0/dev" && cd "$0" &&
    exec env -i PATH="$PATH" DOTNET_ROOT=/usr/share/dotnet DOTNET_EnableDiagnostics=0 \
        chroot --userspec=1654:1654 . /usr/bin/env -C "$1" /app/conduit "${@:2}"'
conduit() { exec unshare --mount bash -c "$inside" "$mounted" "$workdir" "$@"; }

ask() { curl --silent --max-time 5 "$@"; }
await() {
    for _ in $(seq 100); do
        if ask --fail --output /dev/null "$1"; then return 0; fi
        sleep 0.1
    done
    cat "$work/first.log" "$work/second.log" "$work/conduit.log" >&2
    fail "$1 does not answer"
}

read -r port admin first second < <(
    for _ in 1 2 3 4; do shuf -i 20000-32000 -n 1; done | tr '\n' ' '; echo)

(conduit backend --host 127.0.0.1 --port "$first" --name first >"$work/first.log" 2>&1) & pids+=($!)
(conduit backend --host 127.0.0.1 --port "$second" --name second >"$work/second.log" 2>&1) & pids+=($!)
await "http://127.0.0.1:$first/healthz"
await "http://127.0.0.1:$second/healthz"
# Only now: its first checks must find both.
(conduit --backends "http://127.0.0.1:$first,http://127.0.0.1:$second" --host 127.0.0.1 --port "$port" \
    --admin-port "$admin" >"$work/conduit.log" 2>&1) & balancer=$!; pids+=("$balancer")
await "http://127.0.0.1:$port/"

user=$(awk '/^Uid:/ { print $2 }' "/proc/$balancer/status")
[ "$user" = 1654 ] || fail "it runs as user $user"
for name in first second; do
    answers=0
    for _ in 1 2 3 4; do if ask "http://127.0.0.1:$port/" | grep -q "$name"; then answers=$((answers + 1)); fi; done
    [ "$answers" -eq 2 ] || fail "$name answered $answers of 4 requests, not 2"
done
(conduit check --health "http://127.0.0.1:$admin/livez") >/dev/null || fail "its health check fails"

kill -TERM "$balancer"
code=0
wait "$balancer" || code=$?
[ "$code" -eq 0 ] || { cat "$work/conduit.log" >&2; fail "SIGTERM ended it with exit code $code"; }
if (conduit check --health "http://127.0.0.1:$admin/livez") >/dev/null 2>&1; then
    fail "its health check passes when it has ended"
fi

echo "image test: passed: balances as user 1654 on a read-only file system, answers its health check, ends on SIGTERM" \
    "with 0; Conduit adds $(du -sm "$mounted/app" | cut -f1) MB to the runtime image"
