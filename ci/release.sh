#!/usr/bin/env bash
# Makes what is published of a release: a tarball and a Debian package of the static binary, with its
# manual page, completions and licences.
#
#   ci/release.sh                     builds the binary by ci/static-build.sh
#   ci/release.sh --binary FILE       takes one that is built
#   ci/release.sh --output DIR        where to write [target/dist]
#
# The same binary and the same commit give the same bytes: times are SOURCE_DATE_EPOCH's, or the
# commit's. The package needs dpkg-deb; without it only the tarball is made.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)

binary='' output="$top/target/dist"
while [ $# -gt 0 ]; do
    case $1 in
    --binary) binary=$2 && shift 2 ;;
    --output) output=$2 && shift 2 ;;
    *) echo "release: what is $1?" >&2 && exit 2 ;;
    esac
done
if [ -z "$binary" ]; then
    "$top/ci/static-build.sh"
    binary="$top/target/static/profgen"
fi
if readelf --program-headers "$binary" | grep -q INTERP; then
    echo "release: $binary is not static" >&2
    exit 2
fi

version=$("$binary" --version)
version=${version#profgen }
time=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || echo 0)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$output"
umask 022

# One tree serves both: the tarball's is that of the package below usr/, without the package's own files.
name="profgen-$version-$(uname -m)-linux"
tree="$work/$name"
install -D -m 755 "$binary" "$tree/bin/profgen"
mkdir -p "$tree"/share/{man/man1,doc/profgen,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
"$binary" man | gzip -9n >"$tree/share/man/man1/profgen.1.gz"
"$binary" completions bash >"$tree/share/bash-completion/completions/profgen"
"$binary" completions zsh >"$tree/share/zsh/vendor-completions/_profgen"
"$binary" completions fish >"$tree/share/fish/vendor_completions.d/profgen.fish"
install -m 644 "$top"/{README.md,LICENSE,LICENSE-MIT,LICENSE-APACHE} "$tree/share/doc/profgen/"
gzip -9nc "$top/CHANGELOG.md" >"$tree/share/doc/profgen/changelog.gz"
find "$work" -exec touch --no-dereference --date "@$time" {} +

tar -C "$work" --sort=name --mtime "@$time" --owner=0 --group=0 --numeric-owner -c "$name" |
    gzip -9n >"$output/$name.tar.gz"
echo "$output/$name.tar.gz"

command -v dpkg-deb >/dev/null || exit 0
package="$work/package"
mkdir -p "$package/DEBIAN" "$package/usr"
cp -a "$tree/." "$package/usr/"
cat "$top/LICENSE" "$top/LICENSE-MIT" >"$package/usr/share/doc/profgen/copyright"
cat >"$package/DEBIAN/control" <<CONTROL
Package: profgen
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: the profgen developers <profgen@example.invalid>
Installed-Size: $(du -sk "$package/usr" | cut -f 1)
Section: devel
Priority: optional
Description: least-privilege profiles from what a program does and why
 profgen records every system call that a program makes, predicts from its ELF
 files what else it could do, and writes the tightest seccomp, Landlock and
 capability profiles under which it still works.
CONTROL
find "$package" -exec touch --no-dereference --date "@$time" {} +
deb="$output/profgen_${version}_$(dpkg --print-architecture).deb"
SOURCE_DATE_EPOCH=$time dpkg-deb --root-owner-group -Zgzip --build "$package" "$deb" >/dev/null
echo "$deb"
