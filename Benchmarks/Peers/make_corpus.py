#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scored JSON Lines of any size, the same bytes every time: make_corpus.py MEGABYTES FILE [--clusters].

Records look like cl-score's: text of about a kilobyte with heavy-tailed lengths, a label, `cl_score` with tokens,
sentences, quality, score and, with --clusters, the cluster of near-duplicates. Only the standard library.
"""
import json
import math
import random
import sys

WORDS = ("the of and to in is that for on with as by are from at an be this which or it was can data model record "
         "client network system program language value number code memory page server file text length quality").split()


def main():
    size, path = float(sys.argv[1]) * 1e6, sys.argv[2]
    clusters = "--clusters" in sys.argv
    draw = random.Random(1)
    pieces = [" ".join(draw.choice(WORDS) for _ in range(20)) for _ in range(4000)]
    written = number = 0
    with open(path, "w", buffering=1 << 20) as file:
        while written < size:
            lines = []
            for _ in range(2000):
                count = max(1, int(math.exp(draw.gauss(1.6, 1.0))))
                start = draw.randrange(4000)
                text = ". ".join(pieces[(start + i * 7) % 4000] for i in range(min(count, 400)))
                quality = round(draw.random(), 6)
                score = round(math.sqrt(quality) * 0.9, 6)
                cluster = f',"cluster":"{draw.randrange(1 << 60):016x}"' if clusters else ""
                if clusters and draw.random() < 0.02:
                    cluster = f',"cluster":"{draw.randrange(500):016x}"'
                lines.append(
                    f'{{"id":{number},"text":"{text}.","source":"s{draw.randrange(10)}","cl_score":{{"v":1,'
                    f'"tokens":{count * 21 + draw.randrange(20)},"words":{count * 20},"sentences":{count},'
                    f'"quality":{quality},"score":{score}{cluster}}}}}\n')
                number += 1
            block = "".join(lines)
            file.write(block)
            written += len(block)
    print(json.dumps({"records": number, "bytes": written}))


if __name__ == "__main__":
    main()
