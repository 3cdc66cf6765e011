#!/bin/sh
# fetch-foldoc.sh INDEX: gets Debian's dict-foldoc and unpacks it beside INDEX; needs no root.
set -eu
index=$1
root=${index%/usr/share/dictd/foldoc.index}
expected=745cbedb55c2da609cc88ee0284e9d11a67a11ae3709daf7bad0e895ac3294c3
mkdir -p "$root"
work=$(mktemp -d "$root/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching FOLDOC (2.4 MB)"
if ! (cd "$work" && apt-get download -qq dict-foldoc 2>apt.log); then
  if [ "$(id -u)" = 0 ]; then apt-get update -qq; elif sudo -n true 2>/dev/null; then sudo apt-get update -qq; fi
  (cd "$work" && apt-get download -qq dict-foldoc 2>apt.log) || {
    cat "$work/apt.log" >&2
    echo "fetch-foldoc: apt-get download dict-foldoc failed" >&2
    echo "hint: run apt-get update as root, then make again" >&2
    exit 69
  }
fi
package=$(ls "$work"/dict-foldoc_*.deb)
case $package in
  */dict-foldoc_20230119-1_all.deb)
    found=$(sha256sum "$package" | cut -d' ' -f1)
    if [ "$found" != "$expected" ]; then
      echo "fetch-foldoc: SHA-256 expected $expected, found $found" >&2
      exit 65
    fi ;;
  *) echo "note: $(basename "$package") is another edition than 20230119-1; figures will differ a little" ;;
esac
dpkg-deb -x "$package" "$work/tree"
rm -rf "$root/usr"
mv "$work/tree/usr" "$root/usr"
touch "$index"
