#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes templates.json: what jinja2 makes of small templates, in the environment of transformers.

    pip install jinja2==3.1.6
    python make_templates.py
"""
import datetime
import json
import os

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MESSAGES = [
    dict(role="system", content=" Be brief.\n"),
    dict(role="user", content="Why \"rain\"?\n\n"),
    dict(role="assistant", content="<think>\nhm\n</think>\n\n It's\twet, café 北 \U0001f642 "),
    dict(role="user", content=""),
]

# One construct or two in each.
TEMPLATES = [
    "{% for m in messages %}{{ m.role }}: {{ m['content'] }}|{% endfor %}",
    "a\n  {% if true %}\n  b\n  {% endif %}\n  c {{ 1 }}\n{# note #}\nd\n",
    "x  {%- if true -%}  y  {%- endif -%}  z\n {%+ if true %} k {%+ endif +%}\n end",
    "  {{- ' a ' -}}  \n b {{ 'c' }}\n\n",
    "{% raw %}{{ not }} {% this %}{% endraw %} {{ 'it\\'s\\n\\t\\x41\\u00e9' \"joined\" }}",
    "{% set ns = namespace(n=0, s='') %}{% for m in messages if m.role != 'system' %}"
    "{% set ns.n = ns.n + 1 %}{% set ns.s = ns.s ~ loop.index ~ loop.first ~ loop.last %}"
    "{% endfor %}{{ ns.n }} {{ ns.s }}",
    "{% for m in messages %}{% if loop.index0 == 2 %}{% break %}{% elif m.role == 'system' %}"
    "{% continue %}{% else %}{{ loop.previtem.role }}<{{ loop.nextitem.role }}{% endif %}"
    "{% endfor %}",
    "{% for x in [] %}a{% else %}empty{% endfor %}{% for a, b in {'k': 1, 'l': [2, 3]}.items() %}"
    "{{ a }}={{ b }};{% endfor %}",
    "{{ messages[1:] | length }} {{ messages[::-1][0].role }} {{ 'abcdef'[1:-1:2] }} {{ 'é北x'[1] }}"
    " {{ messages[-1].role }} {{ [1, 2, 3][5] }}|",
    "{% macro box(text, left='[', right=']') %}{{ left }}{{ text }}{{ right }}{% endmacro %}"
    "{{ box('a') }}{{ box('b', right=')') }}{{ box(box('c')) | upper }}",
    "{% macro wrap() %}<{{ caller() }}>{% endmacro %}{% call wrap() %}in{% endcall %}",
    "{% set x %}block {{ messages[0].role }}{% endset %}{{ x }}{% filter upper %}low{% endfilter %}",
    "{{ 'a' if messages[0].role == 'system' else 'b' }}{{ 'c' if false }}{{ 1 if 0 else 2 if 1 else 3 }}",
    "{{ undefined_name is defined }} {{ undefined_name }} {{ undefined_name | default('d') }} "
    "{{ '' | default('e', true) }} {{ none is none }} {{ tools is not none }}",
    "{{ 1 + 2 * 3 - 4 // 3 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 5 }} {{ 'ab' * 2 }} "
    "{{ 1 ~ 'x' ~ none }} {{ 1.5 + 1 }} {{ [1] + [2, 'b'] }} {{ not 1 == 2 and 2 < 3 <= 3 }}",
    "{{ 'a' in 'cab' }} {{ 'k' not in {'k': 1} }} {{ 2 in [1, 2] }} {{ 'x' == 'x' }} {{ 1 == 1.0 }}"
    " {{ true == 1 }} {{ [1, {'a': none}] == [1, {'a': none}] }}",
    "{{ messages[2].content.split('</think>')[-1].lstrip('\\n').strip() }}"
    "{{ messages[2].content.split('</think>')[0].rstrip('\\n').split('<think>')[-1] }}",
    "{{ 'a-b-c'.replace('-', '+') }}{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith('b') }}"
    "{{ ' a  b '.split() }}{{ 'a,b,c'.split(',', 1) }}{{ 'a,b,c'.rsplit(',', 1) }}"
    "{{ 'x{}y{}'.format(1, 'z') }}{{ 'abcabc'.find('ca') }}{{ 'title case'.title() }}",
    "{{ {'a': 1}.get('b') }}{{ {'a': 1}.get('a', 2) }}{{ {'b': 1, 'a': 2} | dictsort }}"
    "{{ {'b': 1, 'a': 2}.keys() | list }}{{ {2: 'x', 10: 'y'} | dictsort }}{{ {2: 'x'}[2] }}",
    "{{ messages | map(attribute='role') | join(', ') }} {{ messages | selectattr('role', 'equalto', "
    "'user') | list | length }} {{ messages | rejectattr('content') | map(attribute='role') | first }}"
    " {{ [3, 1, 2] | sort | last }} {{ ['b', 'A', 'b'] | unique | join }} {{ [1, none] | reject('none')"
    " | list }} {{ none | select | list }}",
    "{{ messages[1:3] | tojson }} {{ {'a': [1, 2.5, true, none, '<b>&\\'é']} | tojson(indent=2) }}",
    "{{ 'a\\nb' | indent(2) }} {{ ' x ' | trim }} {{ 'aB' | capitalize }} {{ '12' | int + 1 }} "
    "{{ 'q' | string | length }} {{ 1 | string + '2' }} {{ [1, 2] | sum }} {{ 2.5 | int }}",
    "{{ 1 is integer }} {{ 'a' is string }} {{ [] is iterable }} {{ {} is mapping }} "
    "{{ 'a' is sequence }} {{ true is boolean }} {{ 3 is odd }} {{ 4 is divisibleby 2 }} "
    "{{ 1 is number }} {{ false is false }} {{ 'a' is in ['a'] }} {{ 1 is not defined }}",
    "{{ range(3) | list }} {{ range(5, 1, -2) | list }} {{ dict(a=1) }} {{ strftime_now('%d %b %Y') }}",
    "{{ ['it\\'s', \"q\", '\\n'] }} {{ none }} {{ true }} {{ 1e3 if false else 0.1 }} {{ 100000.0 }}",
    "{{ (1, 2)[0] }}{% set a, b = 1, 'z' %}{{ a }}{{ b }}{% set x = 'outer' %}{% for i in [1] %}"
    "{% set x = 'inner' %}{% endfor %}{{ x }}{% if true %}{% set x = 'changed' %}{% endif %}{{ x }}",
    "{% if not messages[0].tool_calls %}none{% endif %}{{ messages[0].get('name', 'unnamed') }}",
    "{{ '<|im_start|>' + messages[0]['role'] + '\n' + messages[0]['content'] | trim }}{{ eos_token }}",
    "{{ raise_exception('roles must alternate') }}",
    "{{ nothing.field }}",
    "{{ 'a' + 1 }}",
    "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}\n{% endfor %}",
]


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller):
        return caller()


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def main():
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(
        value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = datetime.datetime(2024, 7, 26).strftime
    entries = []
    variables = dict(messages=MESSAGES, tools=None, add_generation_prompt=False, eos_token="</s>")
    for text in TEMPLATES:
        try:
            entries.append(dict(template=text, output=environment.from_string(text).render(**variables)))
        except (jinja2.exceptions.TemplateError, TypeError) as error:
            entries.append(dict(template=text, error=str(error)))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(dict(variables=variables, entries=entries), file, ensure_ascii=False, indent=1)
        file.write("\n")


main()
