#!/bin/sh
# fetch-wikipedia.sh FOLDER PYTHON: gets the Wikipedia dumps among gensim's test data into FOLDER.
set -eu
folder=$1 python=$2
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching Wikipedia dumps (28 MB)"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --python-version 3.11 --platform manylinux_2_24_x86_64 --dest "$work" gensim==4.4.0
"$python" - "$work" <<'PY'
import glob, os, sys, zipfile
folder = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
for name in wheel.namelist():
    if "/test_data/" in name and "wiki" in name and name.endswith(".bz2"):
        with open(os.path.join(folder, os.path.basename(name)), "wb") as file:
            file.write(wheel.read(name))
PY
(cd "$work" && sha256sum --check --quiet <<'SUMS'
8c67571ec18cb8f0f77a91ab2ee4a04c9368684358e40b94d95670f909210355  bgwiki-latest-pages-articles-shortened.xml.bz2
a53f4648dec40467ebdcbc7a1307eddb51fe6e28e9309f6ebde81ba0d04bea2d  enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2
81415636d4dc79c99147ee52098d9a1b1d977d5727543a81227d85ce5cca9383  enwiki-table-markup.xml.bz2
SUMS
) || { echo "fetch-wikipedia: other dumps than expected" >&2; exit 65; }
mv "$work"/*wiki*.bz2 "$folder"
