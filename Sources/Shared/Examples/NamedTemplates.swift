// SPDX-License-Identifier: Apache-2.0

/// Templates by name, for models whose files bring none. Each is Jinja with `{% generation %}`
/// around what the assistant says; a new one is one entry here.
enum NamedTemplates {
  static let all: [any ChatTemplate] = [
    named("llama2", [], llama2),
    named("llama3", ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], llama3),
    named("phi3", ["<|user|>", "<|assistant|>", "<|end|>"], phi3),
    named("gemma", ["<start_of_turn>", "<end_of_turn>"], gemma),
    named("mistral", [], mistral),
  ].compactMap { $0 }

  /// nil only if a template below is no Jinja, which a test would see.
  private static func named(
    _ name: String, _ tokens: [String], _ text: String
  ) -> JinjaChatTemplate? {
    guard let template = try? JinjaTemplate(text) else { return nil }
    return JinjaChatTemplate(name: name, template: template, requiredTokens: tokens)
  }

  /// Refuses turns out of order; `turns` are the messages without the system message.
  private static let alternation = #"""
    {%- if messages and messages[0].role == 'system' -%}
    {%- set system, turns = messages[0].content, messages[1:] -%}
    {%- else -%}
    {%- set system, turns = '', messages -%}
    {%- endif -%}
    {%- for message in turns -%}
    {%- if message.role != ('user' if loop.index0 % 2 == 0 else 'assistant') -%}
    {{- raise_exception('expected user and assistant in turn, found ' + message.role) -}}
    {%- endif -%}
    {%- endfor -%}
    {%- if eos_token is not defined or bos_token is not defined -%}
    {{- raise_exception('the tokenizer names no beginning or end of text') -}}
    {%- endif -%}

    """#

  /// Every exchange begins with the beginning token; contents are trimmed.
  private static let llama2 =
    alternation + #"""
      {%- for message in turns -%}
      {%- if message.role == 'user' -%}
      {%- set opening = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' if system and loop.first else '' -%}
      {{- bos_token + '[INST] ' + (opening + message.content) | trim + ' [/INST]' -}}
      {%- else -%}
      {%- generation -%}{{- ' ' + message.content | trim + ' ' + eos_token -}}{%- endgeneration -%}
      {%- endif -%}
      {%- endfor -%}
      """#

  private static let llama3 = #"""
    {{- bos_token -}}
    {%- for message in messages -%}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' -}}
    {%- if message.role == 'assistant' -%}
    {%- generation -%}{{- message.content | trim + '<|eot_id|>' -}}{%- endgeneration -%}
    {%- else -%}
    {{- message.content | trim + '<|eot_id|>' -}}
    {%- endif -%}
    {%- endfor -%}
    {%- if add_generation_prompt -%}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
    {%- endif -%}
    """#

  private static let phi3 = #"""
    {%- for message in messages -%}
    {{- '<|' + message.role + '|>\n' -}}
    {%- if message.role == 'assistant' -%}
    {%- generation -%}{{- message.content + '<|end|>\n' -}}
    {%- if loop.last and not add_generation_prompt -%}{{- eos_token -}}{%- endif -%}
    {%- endgeneration -%}
    {%- else -%}
    {{- message.content + '<|end|>\n' -}}
    {%- endif -%}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{- '<|assistant|>\n' -}}{%- endif -%}
    """#

  /// A system message stands before the first user's words, as in Gemma 3.
  private static let gemma =
    alternation + #"""
      {{- bos_token -}}
      {%- for message in turns -%}
      {%- if message.role == 'user' -%}
      {{- '<start_of_turn>user\n' + (system + '\n\n' if system and loop.first else '') -}}
      {{- message.content | trim + '<end_of_turn>\n' -}}
      {%- else -%}
      {{- '<start_of_turn>model\n' -}}
      {%- generation -%}{{- message.content | trim + '<end_of_turn>\n' -}}{%- endgeneration -%}
      {%- endif -%}
      {%- endfor -%}
      {%- if add_generation_prompt -%}{{- '<start_of_turn>model\n' -}}{%- endif -%}
      """#

  /// Mistral's first format; a system message stands before the first user's words.
  private static let mistral =
    alternation + #"""
      {{- bos_token -}}
      {%- for message in turns -%}
      {%- if message.role == 'user' -%}
      {{- '[INST] ' + (system + '\n\n' if system and loop.first else '') -}}
      {{- message.content | trim + ' [/INST]' -}}
      {%- else -%}
      {%- generation -%}{{- ' ' + message.content | trim + eos_token -}}{%- endgeneration -%}
      {%- endif -%}
      {%- endfor -%}
      """#
}
