#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What users do without cl-partition: partition_peer.py flwr|json|orjson FILE FOLDER CLIENTS

flwr: flwr-datasets' DirichletPartitioner over a label, every partition written as JSON Lines.
json, orjson: a loop that parses each line, draws a client, and writes the line to the client's file.
Both without digests, bins, a plan or a measure of imbalance.
"""
import pathlib
import random
import sys


def with_flwr(path, folder, clients):
    import datasets
    from flwr_datasets.partitioner import DirichletPartitioner
    datasets.disable_progress_bars()
    data = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(folder / "cache"))
    partitioner = DirichletPartitioner(clients, "source", 0.5, min_partition_size=0)
    partitioner.dataset = data
    for client in range(clients):
        partitioner.load_partition(client).to_json(folder / f"client-{client:03d}.jsonl")


def with_loop(path, folder, clients, loads):
    draw = random.Random(1)
    shares = {}
    files = [open(folder / f"client-{client:03d}.jsonl", "wb") for client in range(clients)]
    for line in open(path, "rb"):
        label = loads(line)["source"]
        if label not in shares:
            gammas = [draw.gammavariate(0.5, 1) for _ in range(clients)]
            shares[label] = gammas
        files[draw.choices(range(clients), shares[label])[0]].write(line)
    for file in files:
        file.close()


def main():
    kind, path, folder, clients = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "flwr":
        with_flwr(path, folder, clients)
    else:
        module = __import__(kind)
        with_loop(path, folder, clients, module.loads)


if __name__ == "__main__":
    main()
