#!/bin/sh
# fetch-python-doc.sh FOLDER: gets Debian's python3.11-doc and unpacks it into FOLDER; needs no root.
set -eu
folder=$1
expected=5b3594189d6ef9a6963ce0347fd307a1cc67620ad697e144db366070e2e146be
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching the Python documentation (12.6 MB)"
(cd "$work" && apt-get download -qq python3.11-doc 2>apt.log) || {
  cat "$work/apt.log" >&2
  echo "fetch-python-doc: apt-get download python3.11-doc failed" >&2
  echo "hint: run apt-get update as root, then make again" >&2
  exit 69
}
package=$(ls "$work"/python3.11-doc_*.deb)
case $package in
  */python3.11-doc_3.11.2-6+deb12u9_all.deb)
    found=$(sha256sum "$package" | cut -d' ' -f1)
    if [ "$found" != "$expected" ]; then
      echo "fetch-python-doc: SHA-256 expected $expected, found $found" >&2
      exit 65
    fi ;;
  *) echo "note: $(basename "$package") is another edition than 3.11.2-6+deb12u9; figures will differ a little" ;;
esac
dpkg-deb -x "$package" "$work/tree"
rm -rf "$folder/usr"
mv "$work/tree/usr" "$folder/usr"
