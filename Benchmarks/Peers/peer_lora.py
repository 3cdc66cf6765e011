# SPDX-License-Identifier: Apache-2.0
"""One training or scoring run with transformers and PEFT on the processor; its figures as a line of JSON.

    peer_lora.py --model DIR --batch 8 --seq 256 --dtype f32
    peer_lora.py --model DIR --batch 8 --lengths lognormal            (32 to 1024 tokens, padded to the longest)
    peer_lora.py --model DIR --batch 8 --records ids.jsonl            (input_ids, labels; padded likewise)
    peer_lora.py --model synthetic-1b --batch 2 --seq 256 --dtype bf16
    peer_lora.py --model DIR --batch 8 --seq 256 --mode score

Tokens per second count real tokens, not padding, and leave out loading and the first `--warmup` steps.
"""
import argparse
import json
import os
import random
import resource
import statistics
import time


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="a folder, or synthetic-1b")
    parser.add_argument("--mode", choices=["train", "score"], default="train")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--lengths", choices=["fixed", "lognormal"], default="fixed")
    parser.add_argument("--records", help="JSON Lines of input_ids and labels, taken in order")
    # amp: float32 weights under bf16 autocast; f32-medium: float32 with bf16 inside the products
    parser.add_argument("--dtype", choices=["f32", "bf16", "amp", "f32-medium"], default="f32")
    parser.add_argument("--attn", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load(choice, torch, transformers):
    """The model and the size of its vocabulary."""
    kind = torch.bfloat16 if choice.dtype == "bf16" else torch.float32
    if choice.model == "synthetic-1b":
        config = transformers.LlamaConfig(
            hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
            num_key_value_heads=8, head_dim=64, vocab_size=128256, tie_word_embeddings=True,
            attn_implementation=choice.attn)
        torch.set_default_dtype(kind)
        model = transformers.LlamaForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    else:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            choice.model, dtype=kind, attn_implementation=choice.attn)
    model.config.use_cache = False
    return model, model.config.vocab_size


def examples(choice, vocabulary, count):
    """`count` pairs of token ids and labels; -100 is no target."""
    if choice.records:
        with open(choice.records) as lines:
            records = [json.loads(line) for line in lines]
        pairs = [(record["input_ids"], record.get("labels", record["input_ids"])) for record in records]
        return [pairs[index % len(pairs)] for index in range(count)]
    chance = random.Random(choice.seed)
    made = []
    for _ in range(count):
        length = choice.seq
        if choice.lengths == "lognormal":
            length = min(1024, max(32, int(chance.lognormvariate(5.2, 0.8))))
        ids = [chance.randrange(100, vocabulary) for _ in range(length)]
        made.append((ids, ids))
    return made


def batch_of(pairs, torch):
    """Token ids, attention mask and labels, padded to the longest."""
    longest = max(len(ids) for ids, _ in pairs)
    shape = (len(pairs), longest)
    ids, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, -100, dtype=torch.long)
    for row, (tokens, targets) in enumerate(pairs):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        labels[row, : len(tokens)] = torch.tensor(targets)
        mask[row, : len(tokens)] = 1
    return ids, mask, labels


def main():
    choice = options()
    os.environ["OMP_NUM_THREADS"] = str(choice.threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    import peft
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(choice.threads)
    torch.manual_seed(choice.seed)
    if choice.dtype == "f32-medium":
        torch.set_float32_matmul_precision("medium")
    model, vocabulary = load(choice, torch, transformers)
    optimizer = None
    if choice.mode == "train":
        model = peft.get_peft_model(model, peft.LoraConfig(
            r=choice.rank, lora_alpha=2 * choice.rank, lora_dropout=0.0, bias="none",
            task_type="CAUSAL_LM", target_modules=PROJECTIONS))
        if choice.checkpointing:
            model.enable_input_require_grads()
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    else:
        model.eval()
    run = torch.compile(model) if choice.compile else model
    total = choice.warmup + choice.steps
    pairs = examples(choice, vocabulary, total * choice.batch)
    seconds, tokens, losses, padded = [], [], [], []
    for step in range(total):
        ids, mask, labels = batch_of(pairs[step * choice.batch:(step + 1) * choice.batch], torch)
        # Without padding no mask is needed, and attention takes its faster way.
        inputs = {} if bool(mask.all()) else {"attention_mask": mask}
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=choice.dtype == "amp"):
            with torch.set_grad_enabled(optimizer is not None):
                loss = run(input_ids=ids, labels=labels, **inputs).loss
        if optimizer is not None:
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if step >= choice.warmup:
            seconds.append(time.perf_counter() - begin)
            tokens.append(int(mask.sum()))
            padded.append(mask.numel())
    same = len(set(tokens)) == 1
    rate = tokens[0] / statistics.median(seconds) if same else sum(tokens) / sum(seconds)
    print(json.dumps({
        "peer": f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}",
        **vars(choice), "tokens_per_second": rate, "step_seconds": seconds, "step_tokens": tokens,
        "padded_tokens_per_second": sum(padded) / sum(seconds), "losses": losses,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


main()
