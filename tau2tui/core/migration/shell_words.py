"""Shell text → words and operators, as bash reads them, without running anything.

`shlex` would not do: it forgets which part of a word was quoted, so `'$HOME'` and `$HOME` come out the same.
Source of the rules: bash(1), QUOTING, EXPANSION and REDIRECTION.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tau2tui.errors import ConfigError

_OPERATOR = re.compile(r"&>>|<<<|<<-|;;&|&&|\|\||;;|;&|>>|>\||<<|<>|<&|>&|&>|\|&|[;&|<>()\n]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PLAIN_END = re.compile(r"[ \t\r\n;&|<>()'\"$`\\]")


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stays as it is."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """`$NAME` or `${NAME}`, with the word that takes its place if it is not set."""

    name: str
    quoted: bool
    default: Word | None = None
    empty_counts: bool = False
    """`:-` takes the default for an empty value as well, `-` does not."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """What only a shell can say: `$(…)`, `${x%y}`, `$((…))`."""

    text: str


@dataclass(frozen=True, slots=True)
class Word:
    """One word, its parts in order; `text` as it stands in the script."""

    parts: tuple[Literal | Variable | Opaque, ...]
    text: str
    line: int

    @property
    def bare(self) -> str:
        """The word if nothing in it is quoted or expanded, else nothing: what can be a keyword."""
        match self.parts:
            case (Literal(text, False),):
                return text
            case _:
                return ""

    def assignment(self) -> tuple[str, Word] | None:
        """NAME and value of `NAME=value`; None for any other word."""
        if not self.parts or not isinstance(first := self.parts[0], Literal) or first.quoted:
            return None
        name, sign, rest = first.text.partition("=")
        if not sign or not _NAME.fullmatch(name):
            return None
        parts = ((Literal(rest, False),) if rest else ()) + self.parts[1:]
        return name, Word(parts, self.text.partition("=")[2], self.line)


@dataclass(frozen=True, slots=True)
class Operator:
    """A separator or a redirection; its text without the number of the stream before it."""

    text: str
    line: int
    stream: str = ""


Token = Word | Operator


_DEEPEST = 6
"""Of `${a:-"${b:-…}"}`: each level is read twice, and nobody writes so many."""


def tokens(text: str, where: str, depth: int = 0) -> Iterator[Token]:
    """The words and operators of a script; comments and here-documents are left out. Raises ConfigError.

    `depth`: of how many expansions it is the inner part.
    """
    return _Reader(text, where, depth).tokens()


class _Reader:
    """A position in a script."""

    def __init__(self, text: str, where: str, depth: int) -> None:
        self._text, self._where, self._depth = text, where, depth
        self._at, self._line = 0, 1
        self._ends: list[tuple[str, bool]] = []
        """Of the here-documents whose text begins with the next line: the line that ends each, and whether tabs go."""

    def tokens(self) -> Iterator[Token]:
        while self._skip_blanks():
            operator = self._operator()
            if operator is None:
                yield self._word()
                continue
            yield operator
            if operator.text in ("<<", "<<-"):
                self._skip_blanks()
                end = self._word()
                self._ends.append(("".join(_written(part) for part in end.parts), operator.text == "<<-"))
            elif operator.text == "\n":
                self._skip_documents()

    def _skip_blanks(self) -> bool:
        """To the next token; False at the end."""
        while self._at < len(self._text):
            if self._text.startswith("\\\n", self._at):
                self._move(2)
            elif self._text[self._at] in " \t\r":
                self._move(1)
            elif self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._move((len(self._text) if end < 0 else end) - self._at)
            else:
                return True
        return False

    def _operator(self) -> Operator | None:
        stream = re.compile(r"\d+(?=[<>])").match(self._text, self._at)
        found = _OPERATOR.match(self._text, stream.end() if stream else self._at)
        if found is None:
            return None
        operator = Operator(found[0], self._line, stream[0] if stream else "")
        self._move(found.end() - self._at)
        return operator

    def _skip_documents(self) -> None:
        for end, tabs in self._ends:
            while self._at < len(self._text):
                line = self._text[self._at :].partition("\n")[0]
                self._move(len(line) + 1)
                if (line.lstrip("\t") if tabs else line) == end:
                    break
        self._ends.clear()

    def _word(self) -> Word:
        begin, line = self._at, self._line
        parts: list[Literal | Variable | Opaque] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "\\":
                if not self._text.startswith("\\\n", self._at):
                    parts.append(Literal(self._text[self._at + 1 : self._at + 2], True))
                self._move(2)
            elif character == "'":
                parts.append(Literal(self._until("'", 1), True))
            elif character == '"':
                parts += self._double_quoted()
            elif character in "$`":
                parts.append(self._expansion(quoted=False))
            elif _PLAIN_END.match(character):
                break
            else:
                end = _PLAIN_END.search(self._text, self._at)
                parts.append(Literal(self._text[self._at : end.start() if end else None], False))
                self._move(len(_written(parts[-1])))
        return Word(tuple(parts), self._text[begin : self._at], line)

    def _double_quoted(self) -> list[Literal | Variable | Opaque]:
        parts: list[Literal | Variable | Opaque] = [Literal("", True)]
        begun = self._line
        self._move(1)
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == '"':
                self._move(1)
                return parts
            if character == "\\":
                following = self._text[self._at + 1 : self._at + 2]
                # Between double quotes a backslash only takes the meaning of these.
                parts.append(Literal("" if following == "\n" else following, True))
                if following not in ("$", "`", '"', "\\", "\n"):
                    parts[-1] = Literal(f"\\{following}", True)
                self._move(2)
            elif character in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                end = re.compile(r'["$`\\]').search(self._text, self._at)
                parts.append(Literal(self._text[self._at : end.start() if end else None], True))
                self._move(len(_written(parts[-1])))
        raise ConfigError(f'{self._where}:{begun}: a " is never closed')

    def _expansion(self, *, quoted: bool) -> Literal | Variable | Opaque:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ConfigError(f"{self._where}:{self._line}: more than {_DEEPEST} expansions in each other")
        try:
            return self._expanded(quoted=quoted)
        finally:
            self._depth -= 1

    def _expanded(self, *, quoted: bool) -> Literal | Variable | Opaque:
        begin = self._at
        if self._text[self._at] == "`":
            self._until("`", 1)
        elif self._text.startswith("$(", self._at):
            self._balanced("(", ")")
        elif self._text.startswith("${", self._at):
            self._balanced("{", "}")
            return _parameter(self._text[begin + 2 : self._at - 1], quoted, self._where, self._line, self._depth)
        elif self._text.startswith("$'", self._at) and not quoted:
            self._move(1)
            return Opaque(f"${self._until(chr(39), 1)}")
        elif name := _NAME.match(self._text, self._at + 1):
            self._move(1 + len(name[0]))
            return Variable(name[0], quoted)
        elif re.compile(r"\$[\d@*#?!$-]").match(self._text, self._at):
            self._move(2)
        else:
            self._move(1)
            return Literal("$", True)
        return Opaque(self._text[begin : self._at])

    def _balanced(self, opening: str, closing: str) -> None:
        """Past `$(…)` or `${…}`, with what is quoted in it."""
        begun, depth = self._line, 0
        self._move(1)
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "'":
                self._until("'", 1)
                continue
            if character == '"':
                self._double_quoted()
                continue
            depth += (character == opening) - (character == closing)
            self._move(2 if character == "\\" else 1)
            if depth == 0:
                return
        raise ConfigError(f"{self._where}:{begun}: a ${opening} is never closed")

    def _until(self, closing: str, skip: int) -> str:
        end = self._text.find(closing, self._at + skip)
        if end < 0:
            raise ConfigError(f"{self._where}:{self._line}: a {closing} is never closed")
        inner = self._text[self._at + skip : end]
        self._move(end + 1 - self._at)
        return inner

    def _move(self, count: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count


def _parameter(inner: str, quoted: bool, where: str, line: int, depth: int) -> Variable | Opaque:
    """What stands between `${` and `}`."""
    name = _NAME.match(inner)
    if name is None:
        return Opaque(f"${{{inner}}}")
    rest = inner[name.end() :]
    for sign in (":-", "-"):
        if rest.startswith(sign):
            quoting = f'"{rest[len(sign) :]}"' if quoted else rest[len(sign) :].replace(" ", "\\ ")
            words = [token for token in tokens(quoting, where, depth) if isinstance(token, Word)]
            if len(words) > 1:
                return Opaque(f"${{{inner}}}")
            return Variable(name[0], quoted, words[0] if words else Word((), "", line), sign == ":-")
    return Opaque(f"${{{inner}}}") if rest else Variable(name[0], quoted)


def _written(part: Literal | Variable | Opaque) -> str:
    match part:
        case Literal(text):
            return text
        case Variable(name):
            return f"${name}"
        case Opaque(text):
            return text
