#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our tokenizers and chat templates beside others: llama.cpp's vectors, `tokenizers`,
`sentencepiece` and jinja2. Prints tables; fails on any difference.

    check_tokenizers.py --vectors DIR --model GGUF --work DIR [--only WORD]
"""
import argparse
import glob
import json
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import llama_cpp_templates
import tokenizer_cases
import tokenizer_texts

SEPARATOR = "\n__ggml_vocab_test__\n"
# WordPiece, for encoders; no decoder that we train has it.
OUT_OF_SCOPE = {"bert-bge"}


def check_vectors(folder, work):
    """The lines that llama.cpp tests each vocabulary with, and the ids that Hugging Face gave."""
    failures = 0
    print("llama.cpp's vectors                passed of")
    for path in sorted(glob.glob(folder + "/models/ggml-vocab-*.gguf.inp")):
        name = os.path.basename(path)[len("ggml-vocab-"):-len(".gguf.inp")]
        if name in OUT_OF_SCOPE:
            print(f"  {name:32} not read (WordPiece)")
            continue
        with open(path, encoding="utf-8") as file:
            texts = file.read().split(SEPARATOR)
        with open(path[:-4] + ".out", encoding="utf-8") as file:
            expected = [[int(word) for word in line.split()] for line in file.read().split("\n")]
        if expected[-1] == [] and len(expected) == len(texts) + 1:
            expected.pop()
        file = os.path.join(work, name + ".texts")
        tokenizer_texts.write(texts, file)
        try:
            found = tokenizer_texts.encode(path[:-4], file, plain=True)
        except RuntimeError as error:
            print(f"  {name:32} FAILED: {error}")
            failures += 1
            continue
        wrong = [i for i in range(len(texts)) if found[i] != expected[i]]
        print(f"  {name:32} {len(texts) - len(wrong):6} {len(texts)}")
        for index in wrong[:3]:
            print(f"    {texts[index]!r}\n      expected {expected[index]}\n      found    {found[index]}")
        failures += len(wrong) + abs(len(texts) - len(expected))
    return failures


def render(requests):
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        ["cl-bench-tokenizers", "render"], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def jinja(template, variables):
    """As transformers renders: nil where the template refuses."""
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message):
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.globals.update(raise_exception=refuse)
    try:
        return environment.from_string(template).render(**variables)
    except Exception:
        return None


def check_templates(folder):
    """llama.cpp's template strings: its expected text, and jinja2's for the same conversation."""
    cases = llama_cpp_templates.cases(folder + "/tests/test-chat-template.cpp")
    requests, references = [], []
    for _, template, _, conversation, bos, eos in cases:
        for messages in llama_cpp_templates.variants(conversation):
            variables = dict(messages=messages, bos_token=bos, eos_token=eos, tools=None,
                             documents=None, add_generation_prompt=True)
            requests.append(dict(template=template, variables=variables))
            references.append(jinja(template, variables))
    found = [answer.get("text") for answer in render(requests)]
    same = sum(a == b for a, b in zip(found, references))
    expected = 0
    for index, (name, _, text, _, bos, _) in enumerate(cases):
        # llama.cpp leaves out the beginning token that its tokenizer adds.
        texts = [t for t in found[2 * index:2 * index + 2] if t is not None]
        stripped = [t[len(bos):] for t in texts if bos and t.startswith(bos)]
        if text in texts + stripped:
            expected += 1
        else:
            print(f"  {name}\n    expected {text!r}\n    found    {texts}")
    for index, (ours, theirs) in enumerate(zip(found, references)):
        if ours != theirs:
            print(f"  {cases[index // 2][0]}\n    jinja2 {theirs!r}\n    found  {ours!r}")
    print(f"chat templates: {expected} of {len(cases)} as llama.cpp expects, "
          f"{same} of {len(requests)} as jinja2 renders")
    return len(cases) - expected + len(requests) - same


# Templates by name, and models of llama.cpp's tests that write so.
NAMED = [
    ("chatml", "teknium/OpenHermes-2.5-Mistral-7B"), ("llama2", "bofenghuang/vigogne-2-70b-chat"),
    ("llama3", "Llama-3"), ("phi3", "Phi-3-mini"), ("phi3", "Phi-3-small"), ("phi3", "Phi-3-medium"),
    ("phi3", "Phi-3-vision"), ("gemma", "google/gemma-7b-it"),
    ("mistral", "mistralai/Mistral-7B-Instruct-v0.2 (mistralai 'v1' template with a system prompt)"),
]


def check_named_templates(folder):
    """Ours by name beside what llama.cpp expects of a model with that template. llama.cpp leaves out
    the beginning token, and which spaces Mistral writes changed from version to version."""
    cases = {case[0]: case for case in llama_cpp_templates.cases(folder + "/tests/test-chat-template.cpp")}
    failures = 0
    for name, model in NAMED:
        _, _, expected, conversation, _, _ = cases[model]
        requests = [dict(name=name, messages=messages, bos="<s>", eos="</s>", prompt=True)
                    for messages in llama_cpp_templates.variants(conversation)]
        found = [answer.get("text", answer) for answer in render(requests)]
        # What asks for an answer is not part of ChatML's turns here.
        opening = "<|im_start|>assistant\n" if name == "chatml" else ""

        def plain(text):
            text = text.replace("<s>", "")
            if name == "mistral":
                text = re.sub(r"\s*(\[INST\]|\[/INST\]|</s>)\s*", r"\1", text)
                text = re.sub(r"\n+", "\n", text)
            return text

        if plain(expected) not in [plain(text + opening) for text in found]:
            print(f"  {name}, {model}\n    expected {expected!r}\n    found    {found}")
            failures += 1
    print(f"templates by name: {len(NAMED) - failures} of {len(NAMED)} as llama.cpp expects")
    return failures


def check_libraries(model, work, vectors, only):
    """Every text of the corpus, by ours and by the libraries."""
    texts = tokenizer_texts.corpus(work)
    size = sum(len(text.encode()) for text in texts)
    print(f"mixed text: {len(texts)} documents, {size / 1e6:.1f} MB")
    path = os.path.join(work, "corpus.texts")
    tokenizer_texts.write(texts, path)
    training = random.Random(3).sample(texts, 1200)
    failures = 0
    print("tokenizer                                    documents  differing     tokens  seconds, theirs", flush=True)
    for name, tokenizer, reference in tokenizer_cases.cases(training, model, work, vectors):
        if only and only not in name:
            continue
        # Special tokens that stand in a text are a matter of their own (the unit tests have them).
        plain = ".model" in name
        try:
            start = time.time()
            found = tokenizer_texts.encode(tokenizer, path, plain=plain)
            ours = time.time() - start
        except RuntimeError as error:
            print(f"  {name:42} FAILED: {error}")
            failures += 1
            continue
        start = time.time()
        expected = reference(texts)
        theirs = time.time() - start
        wrong = [i for i in range(len(texts)) if found[i] != expected[i]]
        tokens = sum(len(ids) for ids in expected)
        print(f"  {name:42} {len(texts):9} {len(wrong):10} {tokens:10} {ours:6.1f} {theirs:6.1f}",
              flush=True)
        for index in sorted(wrong, key=lambda i: len(texts[i]))[:2]:
            show(texts[index], expected[index], found[index])
        failures += len(wrong)
    return failures


def show(text, expected, found):
    same = next((i for i, (a, b) in enumerate(zip(expected, found)) if a != b), 0)
    print(f"    {text[:300]!r}\n      at token {same}: expected {expected[same:same + 12]}, "
          f"found {found[same:same + 12]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    failures = 0
    if not options.only:
        failures += check_vectors(options.vectors, options.work)
        failures += check_templates(options.vectors)
        failures += check_named_templates(options.vectors)
    failures += check_libraries(
        options.model, os.path.abspath(options.work), options.vectors, options.only)
    print("no difference" if failures == 0 else f"{failures} differences")
    return 0 if failures == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
