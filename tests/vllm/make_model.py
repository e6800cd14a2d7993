"""Makes a Qwen3 of 200 kB that has learnt one thing: to give one answer, whatever it is asked.

    .venv-vllm/bin/python make_model.py DIR < LESSON     LESSON: {"template": TEXT, "tools": […], "answer": TEXT}

A program of its own for the environment that has torch. The answer is a call in the words of a chat template, so that
vLLM's parser has something to parse: greedy decoding of what was learnt, nothing that the server is told to write.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

VOCABULARY = 512
ENDOFTEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
WORDS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
"""Single tokens of the vocabulary that a parser may look for in the text."""
STEPS, BATCH, LEARNING_RATE = 120, 4, 4e-3
MOST_NOISE = 48
"""Tokens of noise at most before a question: the answer must not hang on where in the context it is asked for."""


def make_tokenizer(texts: list[str], template: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE that has seen these texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(WORDS),
        special_tokens=[ENDOFTEXT, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts * 4, trainer)
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=False) for word in WORDS])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=ENDOFTEXT)
    fast.chat_template = template
    return fast


def make_model(tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """Two layers with random weights."""
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCABULARY,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def prompt(tokenizer: PreTrainedTokenizerFast, question: str, tools: list[Any]) -> list[int]:
    """What a server makes of a question."""
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tools=tools, add_generation_prompt=True, tokenize=False
    )
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


def teach(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, tools: list[Any], answer: list[int]) -> None:
    """Learn the answer by heart, after questions of random words, with the tools and without."""
    chance = random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    for _ in range(STEPS):
        asked = []
        for _ in range(BATCH):
            noise = [chance.randrange(VOCABULARY) for _ in range(chance.randrange(MOST_NOISE))]
            question = tokenizer.decode(noise[: len(noise) // 2], skip_special_tokens=True)
            asked.append(noise + prompt(tokenizer, question, chance.choice((tools, []))))
        longest = max(map(len, asked))
        # Padded in front, and the padding is attended to: it is noise like the other.
        rows = [[tokenizer.pad_token_id] * (longest - len(ids)) + ids + answer for ids in asked]
        inputs = torch.tensor(rows)
        labels = inputs.clone()
        labels[:, :longest] = -100
        loss = model(input_ids=inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def answers(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, question: str, tools: list[Any]) -> str:
    """What it says now, by greedy decoding."""
    inputs = torch.tensor([prompt(tokenizer, question, tools)])
    said = model.generate(inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=100, do_sample=False)
    text: str = tokenizer.decode(said[0, inputs.shape[1] :], skip_special_tokens=True)
    return text


def main(directory: Path) -> int:
    """Make, teach, examine and write it; returns 1 if it has not learnt its lesson."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # threads that wait for each other are slower than one, on a machine that does more
    lesson = json.load(sys.stdin)
    tools, answer = lesson["tools"], lesson["answer"]
    tokenizer = make_tokenizer([lesson["template"], json.dumps(tools), answer], lesson["template"])
    model = make_model(tokenizer)
    teach(model, tokenizer, tools, [*tokenizer.encode(answer, add_special_tokens=False), tokenizer.eos_token_id])
    model = model.to(torch.bfloat16).eval()
    for question in ("Are you ready?", "Call it.", "What is the weather in Paris, please, and why is it so?"):
        said = answers(model, tokenizer, question, tools)
        if said != answer:
            print(f"asked {question!r} it says {said!r}", file=sys.stderr)
            return 1
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
