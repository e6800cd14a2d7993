"""Prompts of about so many tokens, the same for the same seed."""

from __future__ import annotations

import random

_TEXT = (
    "about after again all also always another any area around ask away back bad because become before begin big "
    "book bring business call case change child city come company could country day different do door down each "
    "early end even every example eye face fact family far father feel few find first follow force friend get "
    "give good great group grow hand happen hard have head hear help here high hold home hour house idea "
    "information issue job keep kind know large last late law learn leave left let level life light like line "
    "little live long look lose lot love main make man many mean meet member mind minute moment money month more "
    "morning most mother move much music name near need never new next night now number of off office often old "
    "once open order other out over own page paper part party pay people person place plan play point power "
    "problem program provide public put question quite read"
)
WORDS = _TEXT.split()
"""Frequent words: each of them, with the blank before it, is one token in the vocabularies of the large models."""
TEMPLATE_TOKENS = 8
"""What a chat template adds to a message, roughly."""


def prompt(seed: int, number: int, tokens: int) -> str:
    """The text of request `number`: words drawn at random, of about `tokens` tokens, at least one word.

    Any two prompts differ from their first words on, so that a prefix cache finds nothing but the chat template.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - play, not a secret
    return " ".join(chance.choices(WORDS, k=max(tokens - TEMPLATE_TOKENS, 1)))
