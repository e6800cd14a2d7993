"""A shell script as a list of what it does: simple commands in order, and blocks (`if`, `for`, …) as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tau2tui.core.migration.shell_words import Operator, Token, Word, tokens
from tau2tui.errors import ConfigError

_CLOSES = {"if": "fi", "for": "done", "while": "done", "until": "done", "select": "done", "case": "esac", "{": "}"}
_GOES_ON = ("then", "do", "else", "elif", "!", "time")
"""Keywords behind which a command begins."""
_ENDS = (";", "&", "&&", "||", "|", "|&", "\n", "(", ")", ";;", ";&", ";;&")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\+?=")


@dataclass(frozen=True, slots=True)
class Simple:
    """A command with its arguments."""

    words: tuple[Word, ...]
    before: str
    """The operator in front of it: `&&`, `||`, `|`, or one that only separates."""
    after: str
    line: int
    end: int
    output: Word | None = None
    """The file that its standard output goes to."""


@dataclass(frozen=True, slots=True)
class Block:
    """A loop, a condition, a function: what it does is not known without running it."""

    keyword: str
    line: int
    end: int
    words: tuple[Word, ...]

    @property
    def assigned(self) -> frozenset[str]:
        """Variables that it may set."""
        named = {match[1] for word in self.words if (match := _ASSIGNED.match(word.text))}
        takers = zip(self.words, self.words[1:], strict=False)
        return frozenset(named | {name.text for word, name in takers if word.bare in ("for", "select", "read")})


def commands(text: str, where: str) -> Iterator[Simple | Block]:
    """What a script does, in order. Raises ConfigError with the line that is not shell."""
    return _Parser(list(tokens(text, where)), where).items()


class _Parser:
    def __init__(self, found: list[Token], where: str) -> None:
        self._tokens, self._where = found, where
        self._at = 0

    def items(self) -> Iterator[Simple | Block]:
        before = ""
        while (token := self._peek()) is not None:
            if self._opens(token):
                yield self._block()
                before = ""
            elif isinstance(token, Operator) and token.text in _ENDS:
                self._at += 1
                before = token.text if token.text != "\n" or before not in ("&&", "||", "|") else before
            elif command := self._simple(before):
                yield command
                before = command.after

    def _peek(self, ahead: int = 0) -> Token | None:
        return self._tokens[self._at + ahead] if self._at + ahead < len(self._tokens) else None

    def _is(self, ahead: int, text: str) -> bool:
        token = self._peek(ahead)
        return isinstance(token, Operator) and token.text == text

    def _opens(self, token: Token) -> bool:
        if isinstance(token, Operator):
            return token.text == "("
        return token.bare in _CLOSES or token.bare == "function" or (self._is(1, "(") and self._is(2, ")"))

    def _block(self) -> Block:
        first = self._tokens[self._at]
        words: list[Word] = []
        waiting: list[str] = []
        keyword = first.text
        begins = True
        if isinstance(first, Word) and first.bare not in _CLOSES:  # a function: its body follows
            while (token := self._peek()) is not None and not (isinstance(token, Word) and token.bare == "{"):
                self._at += 1
        while (token := self._peek()) is not None:
            self._at += 1
            if isinstance(token, Operator):
                if token.text == "(":
                    waiting.append(")")
                elif token.text == ")" and waiting and waiting[-1] == ")":
                    waiting.pop()
                begins = token.text in _ENDS
            else:
                words.append(token)
                if begins and token.bare in _CLOSES:
                    waiting.append(_CLOSES[token.bare])
                elif begins and waiting and token.bare == waiting[-1]:
                    waiting.pop()
                begins = begins and (token.bare in _GOES_ON or token.bare in ("if", "while", "until", "{"))
            if not waiting:
                self._to_the_end_of_the_line()
                return Block(keyword, first.line, token.line, tuple(words))
        raise ConfigError(f"{self._where}:{first.line}: `{keyword}` is never closed")

    def _to_the_end_of_the_line(self) -> None:
        """What follows a block up to a separator are its redirections."""
        while (token := self._peek()) is not None and not (isinstance(token, Operator) and token.text in _ENDS):
            self._at += 1

    def _simple(self, before: str) -> Simple | None:
        words: list[Word] = []
        output: Word | None = None
        after, line = "", self._tokens[self._at].line
        end = line
        while (token := self._peek()) is not None:
            if isinstance(token, Word):
                words.append(token)
                end = token.line + token.text.count("\n")
            elif token.text == "(" and words and words[-1].text.endswith("="):
                self._array()
            elif token.text in _ENDS:
                after = token.text
                self._at += 1
                break
            else:
                target = self._redirected()
                to_output = token.text in (">", ">>", "&>", "&>>", ">|") and token.stream in ("", "1")
                output = target if to_output and target is not None else output
            self._at += 1
        return Simple(tuple(words), before, after, line, end, output) if words else None

    def _redirected(self) -> Word | None:
        """The word behind a redirection, which is no argument."""
        token = self._peek(1)
        if isinstance(token, Word):
            self._at += 1
            return token
        return None

    def _array(self) -> None:
        """Past `(…)` of `NAME=(…)`: arrays have no value here."""
        while self._peek() is not None and not self._is(0, ")"):
            self._at += 1
