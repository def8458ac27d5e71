#!/bin/sh
# Installs the programs that the system tests drive; with the argument `bench`, those of the benchmark.
# Run as root on Debian it installs what is missing with apt, and nothing else; elsewhere it says what is
# missing and ends with exit code 1.
set -eu

# Servers are in the sbin directories, which are not on everybody's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# program:package
wanted="
nginx:nginx-light
wrk:wrk
hey:hey
curl:curl
slowhttptest:slowhttptest
dnsmasq:dnsmasq-base
chromium:chromium
node:nodejs
npm:npm
prometheus:prometheus
promtool:prometheus
testssl:testssl.sh
h2load:nghttp2-client
nghttp:nghttp2-client
haproxy:haproxy
"

if [ "${1:-}" = bench ]; then
    wanted="
nginx:nginx-light
wrk:wrk
h2load:nghttp2-client
haproxy:haproxy
caddy:caddy
go:golang-go
"
fi

programs=""
packages=""
for entry in $wanted; do
    if ! command -v "${entry%%:*}" >/dev/null 2>&1; then
        programs="$programs ${entry%%:*}"
        packages="$packages ${entry#*:}"
    fi
done

if [ -z "$programs" ]; then
    echo "programs: all there"
    exit 0
fi

if [ "$(id -u)" -ne 0 ] || [ ! -f /etc/debian_version ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "programs: missing:$programs" >&2
    echo "run this script as root on Debian, or install what your system calls:$packages" >&2
    exit 1
fi

# The packages of servers start them at once, on port 80. Nobody asked for that.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi

echo "programs: installing$packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update
# Unquoted: one argument for each package.
# shellcheck disable=SC2086
apt-get install --yes --no-install-recommends $packages
