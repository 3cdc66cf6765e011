#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test-tokenizers.sh CACHE MODEL.gguf: our tokenizers and chat templates beside llama.cpp's test
# vectors, Hugging Face `tokenizers`, `sentencepiece` and jinja2. Nothing of what it fetches is kept
# in the repository.
set -eu
cd "$(dirname "$0")/.."
cache=$1
model=$2
environment=.venv/tokenizers
python=$environment/bin/python
if [ ! -x $python ]; then
  python3 -m venv $environment
fi
if ! $python -c 'import tokenizers, sentencepiece, tiktoken, jinja2, scikit_build_core' 2>/dev/null; then
  echo "installing tokenizers, sentencepiece, tiktoken and jinja2 into $environment"
  $environment/bin/pip install --quiet tokenizers==0.23.3 sentencepiece==0.2.3 tiktoken==0.14.0 \
    jinja2==3.1.6 scikit-build-core==1.1.2
fi

# The vocabularies and templates of llama.cpp's own tests, out of the source package of
# llama-cpp-python; pip's metadata step needs scikit-build-core, and compiles nothing.
package=llama_cpp_python-0.3.36.tar.gz
digest=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
vectors=$cache/llama.cpp
if [ ! -f "$vectors/complete" ]; then
  mkdir -p "$vectors"
  if [ ! -f "$vectors/$package" ]; then
    echo "fetching $package (77 MB) from PyPI"
    $environment/bin/pip download --quiet --no-build-isolation --no-deps --no-binary :all: \
      --dest "$vectors" llama-cpp-python==0.3.36
  fi
  echo "$digest  $vectors/$package" | sha256sum --check --quiet
  for part in 'models/ggml-vocab-*' 'models/templates/*' 'tests/test-chat-template.cpp'; do
    tar xzf "$vectors/$package" -C "$vectors" --wildcards --strip-components 3 "*/vendor/llama.cpp/$part"
  done
  rm "$vectors/$package"
  touch "$vectors/complete"
fi

PATH="$PWD/.build/release:$PATH" $python Tests/Interop/check_tokenizers.py \
  --vectors "$vectors" --model "$model" --work "$cache/tokenizers"
