#!/bin/sh
# test-interop.sh CACHE MODEL.gguf: what we write, read by transformers, PEFT, llama.cpp and Flower, and
# the other way round.
set -eu
cd "$(dirname "$0")/.."
cache=$1
model=$2
environment=.venv/interop
if [ ! -x $environment/bin/python ]; then
  python3 -m venv $environment
fi
if ! $environment/bin/python -c 'import torch, transformers, peft, gguf, xllamacpp' 2>/dev/null; then
  echo "installing torch, transformers and peft into $environment"
  # PyPI's torch for Linux carries CUDA; a build for processors alone is taken where one is offered.
  $environment/bin/pip install --quiet torch==2.13.0+cpu 2>/dev/null ||
    $environment/bin/pip install --quiet torch==2.13.0
  $environment/bin/pip install --quiet transformers==5.23.0 peft==0.21.2 gguf==0.19.0 safetensors \
    xllamacpp==2026.10.11549
fi
HF_HUB_OFFLINE=1 PATH="$PWD/.build/release:$PATH" \
  $environment/bin/python Tests/Interop/check_peft.py --golden Tests/Fixtures/golden --model "$model"
PATH="$PWD/.build/release:$PATH" $environment/bin/python Tests/Interop/check_aggregate.py
PATH="$PWD/.build/release:$PATH" $environment/bin/python Tests/Interop/check_half.py
# Flower brings its own protobuf and gRPC: an environment of its own.
flower=.venv/flower
if ! $flower/bin/python -c 'import flwr, scipy, safetensors' 2>/dev/null; then
  echo "installing flwr and scipy into $flower"
  python3 -m venv $flower
  $flower/bin/pip install --quiet flwr==1.22.0 numpy scipy safetensors==0.8.0
fi
PATH="$PWD/.build/release:$PATH" $flower/bin/python Tests/Interop/check_rules.py
PATH="$PWD/.build/release:$PATH" $flower/bin/python Tests/Interop/check_flower.py
HF_HUB_OFFLINE=1 PATH="$PWD/.build/release:$PATH" \
  $environment/bin/python Tests/Interop/check_variants.py --golden Tests/Fixtures/golden
Scripts/fetch-llama-cpp.sh "$cache/llama.cpp" $environment/bin/python
Scripts/fetch-gemma.sh "$cache/models/gemma-3-270m.Q4_K_M.gguf" $environment/bin/python
HF_HUB_OFFLINE=1 PATH="$PWD/.build/release:$PATH" \
  $environment/bin/python Tests/Interop/check_llama_cpp.py --golden Tests/Fixtures/golden \
  --llama "$cache/llama.cpp" --model "$model" --model "$cache/models/gemma-3-270m.Q4_K_M.gguf"
HF_HUB_OFFLINE=1 PATH="$PWD/.build/release:$PATH" $environment/bin/python Tests/Interop/check_scoring.py "$model"
Scripts/data-peers.sh
HF_HUB_OFFLINE=1 PATH="$PWD/.build/release:$PATH" .venv/data/bin/python Tests/Interop/check_partition.py
