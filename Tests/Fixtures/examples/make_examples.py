#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes chatml.json: what jinja2 and Hugging Face `tokenizers` make of conversations.

    pip install tokenizers==0.23.3 jinja2==3.1.6
    python make_examples.py [TOKENIZER.json TEMPLATE.jinja OUTPUT.json]

Each entry is a conversation, its token ids, and the places of its targets by two rules of trl 1.16:
the common prefix with the rendered prompt (one exchange), and the character spans of the assistant's
turns (any conversation). The tokenizer is the one in ../tokenizers/smollm.
"""
import json
import os
import random
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a patient miller.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")

CONVERSATIONS = [
    [("user", "Count the sacks."), ("assistant", "There are 12 sacks.")],
    [("system", "Be brief."), ("user", "Why?"), ("assistant", "Rain.")],
    [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d\n\ne"), ("user", "f")],
    [("user", ""), ("assistant", "")],
    [("user", "\n\n"), ("assistant", "\n\nthe miller")],
    [("user", "  x "), ("assistant", "  \n y  ")],
    [("user", "12"), ("assistant", "345")],
    [("user", "q"), ("assistant", "text with <|im_end|> inside")],
    [("user", "caf\u00e9 \U0001f642"), ("assistant", "\u5317\u306e\u56fd \u0301x")],
    [("assistant", "first"), ("user", "then"), ("assistant", "'s")],
    [("user", "no answer")],
    [("system", "only")],
    [("user", "u"), ("tool", "result 7"), ("assistant", "7")],
]


def fuzz(count):
    generator = random.Random(20260102)
    parts = ["\n", "\n\n", " ", "  ", "the", " miller", "12", "'s", "\u00e9", "\U0001f642", "!", "\t",
             "assistant", "<|im_start|>", "\r\n"]
    for _ in range(count):
        turns = []
        for index in range(generator.randint(1, 6)):
            role = generator.choice(["user", "assistant"]) if index else "user"
            turns.append((role, "".join(generator.choice(parts)
                                        for _ in range(generator.randint(0, 6)))))
        yield turns


def main(tokenizer_path, template_text, output):
    tokenizer = Tokenizer.from_file(tokenizer_path)
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(template_text)

    def render(messages, prompt=False):
        return template.render(messages=messages, add_generation_prompt=prompt)

    entries = []
    for turns in CONVERSATIONS + list(fuzz(60)):
        messages = [dict(role=role, content=content) for role, content in turns]
        text = render(messages)
        encoding = tokenizer.encode(text, add_special_tokens=False)
        spans = set()
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            start = len(render(messages[:index], True)) if index else len(
                render(messages[:1])) - len(messages[0]["content"]) - len("<|im_end|>\n")
            end = len(render(messages[:index + 1]))
            spans.update(range(encoding.char_to_token(start), encoding.char_to_token(end - 1) + 1))
        entry = dict(messages=messages, input_ids=encoding.ids, targets=sorted(spans))
        if [role for role, _ in turns] == ["user", "assistant"]:
            prompt = tokenizer.encode(render(messages[:1], True), add_special_tokens=False).ids
            common = 0
            while common < len(prompt) and prompt[common] == encoding.ids[common]:
                common += 1
            entry["completion_start"] = common
        entries.append(entry)
    with open(output, "w", encoding="utf-8") as file:
        json.dump(dict(template=template_text, entries=entries), file, ensure_ascii=False,
                  separators=(",", ":"))
        file.write("\n")
    print(len(entries), sum(len(entry["input_ids"]) for entry in entries))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        main(sys.argv[1], open(sys.argv[2], encoding="utf-8").read(), sys.argv[3])
    else:
        main(os.path.join(HERE, "../tokenizers/smollm/tokenizer.json"), TEMPLATE,
             os.path.join(HERE, "chatml.json"))
