#!/bin/sh
# data-peers.sh: what cl-partition is compared with by Tests/Interop and Benchmarks, in .venv/data.
set -eu
cd "$(dirname "$0")/.."
environment=.venv/data
if ! $environment/bin/python -c 'import flwr_datasets, scipy, orjson' 2>/dev/null; then
  echo "installing flwr-datasets, scipy and orjson into $environment"
  python3 -m venv $environment
  $environment/bin/pip install --quiet flwr-datasets==0.6.0 datasets==4.8.5 orjson==3.11.4 numpy scipy
fi
