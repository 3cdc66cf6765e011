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
if ! $python -c 'import tokenizers, sentencepiece, tiktoken, jinja2, google.protobuf' 2>/dev/null; then
  echo "installing tokenizers, sentencepiece, tiktoken and jinja2 into $environment"
  $environment/bin/pip install --quiet tokenizers==0.23.3 sentencepiece==0.2.3 tiktoken==0.14.0 \
    jinja2==3.1.6 protobuf==7.36.2
fi

vectors=$cache/llama.cpp
Scripts/fetch-llama-cpp.sh "$vectors" $python

PATH="$PWD/.build/release:$PATH" $python Tests/Interop/check_tokenizers.py \
  --vectors "$vectors" --model "$model" --work "$cache/tokenizers"
