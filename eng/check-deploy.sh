#!/bin/bash
# Checks what other tools read: compose files, manifests and workflows by the schemas of those tools, the systemd unit
# by systemd itself, the configurations in them by `conduit check`. Needs node, npm and a program that has been built.
set -euo pipefail
cd "$(dirname "$0")/.."
conduit=${CONDUIT_EXE:-$PWD/artifacts/bin/Conduit.Server/release/conduit}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

npm ci --prefix eng/validate --no-audit --no-fund --silent
node eng/validate/validate.mjs

if command -v systemd-analyze >/dev/null; then
    # The programs are looked for where the unit says; here they are those that were built.
    for unit in deploy/systemd/*.service; do
        sed "s|/usr/local/bin/conduit|$conduit|" "$unit" >"$work/$(basename "$unit")"
        complaints=$(systemd-analyze verify "$work/$(basename "$unit")" 2>&1)
        [ -z "$complaints" ] || { echo "$complaints" >&2; exit 1; }
        # 0 is as closed as can be, 10 is open.
        systemd-analyze security --offline=true --threshold=25 --no-pager "$work/$(basename "$unit")" | tail -1
    done
else
    echo "there is no systemd-analyze here: the unit is not checked" >&2
    [ -z "${CI:-}" ] || exit 1
fi

for config in deploy/compose/*.yaml; do
    CONDUIT_ADMIN_TOKEN=0123456789abcdef "$conduit" check --config "$config"
done

# The configuration inside the manifest: what follows the key, less its indentation.
sed -n '/^  conduit.yaml: |$/,/^---$/p' deploy/kubernetes/conduit.yaml | sed '1d;$d;s/^    //' >"$work/conduit.yaml"
CONDUIT_ADMIN_TOKEN=0123456789abcdef "$conduit" check --config "$work/conduit.yaml"
