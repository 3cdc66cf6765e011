# SPDX-License-Identifier: Apache-2.0
"""The templates in llama.cpp's test-chat-template.cpp and what they are expected to write."""
import re

CONVERSATION = [
    ("system", "You are a helpful assistant"), ("user", "Hello"), ("assistant", "Hi there"),
    ("user", "Who are you"), ("assistant", "   I am an assistant   "), ("user", "Another question"),
]
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|U8C\(|u8(?=")|"((?:[^"\\]|\\.)*)"|[{}(),]|true|false|\s+', re.S)


def unescape(text):
    def replace(match):
        body = match[1]
        if body[0] in "ux":
            return chr(int(body[1:], 16))
        return ESCAPES.get(body, body)
    return re.sub(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", replace, text, flags=re.S)


def tokens(text):
    """Strings (joined where they follow one another), booleans and braces."""
    result, offset = [], 0
    while offset < len(text):
        match = TOKEN.match(text, offset)
        if not match:
            raise ValueError(f"test-chat-template.cpp: {text[offset:offset + 60]!r}")
        offset = match.end()
        if match[1] is not None:
            value = ("string", unescape(match[1]))
            if result and result[-1][0] == "string":
                result[-1] = ("string", result[-1][1] + value[1])
            else:
                result.append(value)
        elif match[0] in ("{", "}", ",", "true", "false"):
            result.append((match[0], None))
    return result


def nested(stream):
    """The items of a braced list whose opening brace was read."""
    items = []
    while True:
        kind, value = stream.pop(0)
        if kind == "}":
            return items
        if kind == "{":
            items.append(nested(stream))
        elif kind == "string":
            items.append(value)
        elif kind in ("true", "false"):
            items.append(kind == "true")


def cases(path):
    """(name, template, expected texts, conversation, bos, eos) of each case."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    start = text.index("std::vector<TestCase> test_cases {") + len("std::vector<TestCase> test_cases {")
    end = text.index("};\n    std::vector<char>", start)
    result = []
    for case in nested(tokens(text[start:end] + "}")):
        name, template, builtin, jinja = case[:4]
        bos = case[4] if len(case) > 4 else ""
        eos = case[5] if len(case) > 5 else ""
        supported = case[6] if len(case) > 6 else True
        conversation = CONVERSATION + [tuple(turn) for turn in (case[7] if len(case) > 7 else [])]
        if supported:
            result.append((name, template, jinja or builtin, conversation, bos, eos))
    return result


def variants(conversation):
    """The conversation, and with its system message in the first user's words, as llama.cpp passes
    it to a template that has no system message."""
    (_, system), (_, user), *rest = conversation
    plain = [dict(role=role, content=content) for role, content in conversation]
    merged = [("user", system + "\n" + user)] + rest
    return [plain, [dict(role=role, content=content) for role, content in merged]]
