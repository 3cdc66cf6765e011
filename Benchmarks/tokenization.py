#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Encoding alone, on one thread: ours beside Hugging Face `tokenizers` and tiktoken, SmolLM2's vocabulary.

    .venv/tokenizers/bin/python Benchmarks/tokenization.py [MODEL.gguf]

`make test-tokenizers` makes the environment. Each run encodes FOLDOC once to warm up and once measured, in
processor time; figures count only as the ratio of a pair.
"""
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Tests" / "Interop"))
sys.path.insert(0, str(ROOT / "Benchmarks"))
CACHE = ROOT / ".cache" / "tokenizers"
TEXTS = CACHE / "foldoc.texts"


def texts():
    import tokenizer_texts
    entries = [text for text in tokenizer_texts.foldoc(str(CACHE)) if text]
    # Documents of some thousand characters, so that calls cost nobody much.
    return ["\n\n".join(entries[start:start + 40]) for start in range(0, len(entries), 40)]


def hugging_face(model):
    import tokenizer_cases
    tokenizer = tokenizer_cases.smollm2(model)
    return lambda documents: tokenizer.encode_batch(documents, add_special_tokens=False)


def tiktoken(model):
    import tiktoken as library
    import tokenizer_cases
    tokens = tokenizer_cases.gguf_metadata(model)["tokenizer.ggml.tokens"][17:]
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet |= {chr(0x100 + index): byte for index, byte in enumerate(others)}
    ranks = {bytes(alphabet[c] for c in token): rank for rank, token in enumerate(tokens)}
    for byte in range(256):
        ranks.setdefault(bytes([byte]), len(ranks))
    pattern = r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+"
    encoding = library.Encoding("smollm2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda documents: encoding.encode_ordinary_batch(documents, num_threads=1)


def peer(name, model):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    documents = texts()
    encode = {"hugging_face": hugging_face, "tiktoken": tiktoken}[name](model)
    encode(documents)
    start = time.process_time()
    encode(documents)
    seconds = time.process_time() - start
    size = sum(len(text.encode()) for text in documents)
    print(f'{{"bytes":{size},"seconds":{seconds}}}')


def megabytes_per_second(run):
    figures = run.last_json()
    return figures["bytes"] / figures["seconds"] / 1e6


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--peer":
        return peer(sys.argv[2], sys.argv[3])
    from pairs import Bench
    import tokenizer_texts
    model = sys.argv[1] if len(sys.argv) > 1 else str(
        ROOT / ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf")
    CACHE.mkdir(parents=True, exist_ok=True)
    tokenizer_texts.write(texts(), TEXTS)
    ours = [ROOT / ".build/release/cl-bench-tokenizers", "time", model, TEXTS, 2]
    bench = Bench("tokenization")
    for name, target in [("hugging_face", 4), ("tiktoken", 1)]:
        bench.pair(f"encode FOLDOC, beside {name}", ours=ours,
                   peer=[sys.executable, __file__, "--peer", name, model],
                   figure=megabytes_per_second, unit="MB/s", target=target)
    bench.finish()


if __name__ == "__main__":
    main()
