#!/usr/bin/env bash
# Builds the static profgen, which `profgen container` mounts into containers, and prints its size.
#
#   ci/static-build.sh            target/static/profgen, of the release profile, stripped
#   ci/static-build.sh --debug    target/static/profgen-debug, as the tests use it
#
# It links the C library statically (crt-static), so that it runs in an image without one.
set -euo pipefail
cd "$(dirname "$0")/.."

target="$(uname -m)-unknown-linux-gnu"
profile=release name=profgen
if [ "${1:-}" = --debug ]; then
    profile=dev name=profgen-debug
fi
# With --target, build scripts and macros are built for this machine and stay dynamic.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
    cargo build --quiet --locked --bin profgen --profile "$profile" \
    --target "$target" --target-dir target/static
built="target/static/$target/${profile/dev/debug}/profgen"

strip --strip-all -o "target/static/.$name.$$" "$built"
mv "target/static/.$name.$$" "target/static/$name"
if readelf --program-headers "target/static/$name" | grep -q INTERP; then
    echo "target/static/$name is not static" >&2
    exit 1
fi
echo "target/static/$name: $(stat -c %s "target/static/$name") bytes, $("target/static/$name" --version)"
