#!/bin/bash
# Tries what `build.fsx -- publish linux-x64` made: checksums, the bill of materials, the tool, the program, and how fast
# it starts.
set -euo pipefail
cd "$(dirname "$0")/../artifacts/release"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "release test: $1" >&2; exit 1; }

sha256sum --quiet --check SHA256SUMS

archive=$(ls conduit-*-linux-x64.tar.gz)
tar --extract --gzip --file "$archive" --directory "$work"
"$work/conduit" --version
[ -f "$work/LICENSE" ] || fail "$archive has no license"

bill=$(ls conduit-*.cdx.json)
for package in FSharp.Core FsToolkit.ErrorHandling Argu YamlDotNet; do
    grep -q "\"$package\"" "$bill" || fail "$bill does not name $package"
done

dotnet tool install Conduit.Tool --tool-path "$work/tool" --add-source . --version "$("$work/conduit" --version | cut -d' ' -f2)" \
    >/dev/null
[ "$("$work/tool/conduit" --version)" = "$("$work/conduit" --version)" ] || fail "the tool has another version"

echo "start to the first request served, linux-x64: $(bash ../../eng/measure-start.sh "$work/conduit" 5 | tail -1) ms (median)"
echo "release test: passed: $(du -h "$archive" | cut -f1) $archive"
