#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fetch-llama-cpp.sh FOLDER PYTHON: vocabularies, test vectors, templates and converters of llama.cpp,
# out of the source package of llama-cpp-python. pip looks at its metadata, and compiles nothing.
set -eu
folder=$1 python=$2
package=llama_cpp_python-0.3.36.tar.gz
digest=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
if [ -f "$folder/complete-2" ]; then exit 0; fi
mkdir -p "$folder"
if [ ! -f "$folder/$package" ]; then
  echo "fetching $package (77 MB) from PyPI"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary llama-cpp-python --dest "$folder" llama-cpp-python==0.3.36
fi
echo "$digest  $folder/$package" | sha256sum --check --quiet
for part in 'models/ggml-vocab-*' 'models/templates/*' 'tests/test-chat-template.cpp' \
  'convert_*.py' 'conversion/*' 'gguf-py/*'; do
  tar xzf "$folder/$package" -C "$folder" --wildcards --strip-components 3 \
    "*/vendor/llama.cpp/$part"
done
rm "$folder/$package"
touch "$folder/complete-2"
