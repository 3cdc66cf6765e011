#!/usr/bin/env python3
"""Gopher's quality and repetition filters of datatrove over JSON Lines, on one core.

usage: datatrove_gopher.py FILE.jsonl FIELD

Prints one line of JSON: bytes read, seconds of processor time after the tokenizer was loaded.
"""
import json
import os
import sys
import time

from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter

path, field = sys.argv[1:]
filters = [GopherRepetitionFilter(), GopherQualityFilter()]
for each in filters:
    each.filter(Document(text="Warm up the word tokenizer, once.", id="0"))
start = time.process_time()
kept = 0
with open(path, encoding="utf-8") as file:
    for index, line in enumerate(file):
        document = Document(text=json.loads(line)[field], id=str(index))
        # Both, as cl-score measures both.
        results = [each.filter(document) for each in filters]
        kept += all(result is True for result in results)
seconds = time.process_time() - start
print(json.dumps({"bytes": os.path.getsize(path), "seconds": seconds, "kept": kept}))
