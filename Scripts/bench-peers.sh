#!/bin/sh
# bench-peers.sh MODEL.gguf: what the benchmarks of training compare with, in .venv/bench and .cache/bench.
set -eu
cd "$(dirname "$0")/.."
environment=.venv/bench
if [ ! -x $environment/bin/python ]; then
  python3 -m venv $environment
fi
if ! $environment/bin/python -c 'import torch, transformers, peft, gguf' 2>/dev/null; then
  echo "installing torch, transformers and peft into $environment"
  # PyPI's torch for Linux carries CUDA; a build for processors alone is taken where one is offered.
  $environment/bin/pip install --quiet torch==2.13.0+cpu 2>/dev/null ||
    $environment/bin/pip install --quiet torch==2.13.0
  $environment/bin/pip install --quiet transformers==5.23.0 peft==0.21.2 gguf==0.19.0 safetensors
fi
mkdir -p .cache/bench
# Made under another name: what stands there is whole.
if [ ! -e .cache/bench/smollm2 ]; then
  HF_HUB_OFFLINE=1 $environment/bin/python Benchmarks/Peers/gguf_to_hf.py "$1" .cache/bench/smollm2.part
  mv .cache/bench/smollm2.part .cache/bench/smollm2
fi
if [ ! -e .cache/bench/synthetic-1b ]; then
  $environment/bin/python Benchmarks/Peers/synthetic_llama.py .cache/bench/synthetic-1b.part
  mv .cache/bench/synthetic-1b.part .cache/bench/synthetic-1b
fi
# datatrove brings spaCy: an environment of its own.
data=.venv/bench-data
if ! $data/bin/python -c 'import datatrove, spacy, nltk' 2>/dev/null; then
  echo "installing datatrove into $data"
  python3 -m venv $data
  $data/bin/pip install --quiet datatrove==0.6.0 spacy==3.8.18 nltk==3.10.4
fi
