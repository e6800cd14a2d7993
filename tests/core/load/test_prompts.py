from __future__ import annotations

from tau2tui.core.load.prompts import TEMPLATE_TOKENS, WORDS, prompt


def test_a_prompt_is_the_same_for_the_same_seed_and_number_alone() -> None:
    assert prompt(1, 2, 50) == prompt(1, 2, 50)
    assert len({prompt(1, 2, 50), prompt(1, 3, 50), prompt(2, 2, 50)}) == 3


def test_its_words_and_the_chat_template_make_about_the_tokens_that_were_asked_for() -> None:
    assert len(prompt(0, 0, 512).split()) + TEMPLATE_TOKENS == 512
    assert len(prompt(0, 0, 1).split()) == 1


def test_no_two_prompts_share_more_than_a_few_first_words() -> None:
    firsts = {tuple(prompt(0, number, 100).split()[:4]) for number in range(300)}
    assert len(firsts) == 300


def test_the_words_are_plain_and_each_stands_once() -> None:
    assert len(set(WORDS)) == len(WORDS) > 100
    assert all(word.isascii() and word.isalpha() for word in WORDS)
