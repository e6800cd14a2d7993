"""One script of a node: which servers it starts, what it sets up before, and what its header asks of SLURM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tau2tui.core.migration.expansion import HOME, Unresolved, as_path, expand, one, without_home
from tau2tui.core.migration.header import Header, read_header
from tau2tui.core.migration.leftover import Kind, Leftover, is_secret_name, looks_secret, masked
from tau2tui.core.migration.script import Block, Simple, commands
from tau2tui.core.migration.server import Server, is_server, read_server
from tau2tui.core.migration.shell_words import Word
from tau2tui.errors import ConfigError, Refused

_CONDA = "/etc/profile.d/conda.sh"
_OWN = ("VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
_SETUP = ("source", ".", "conda", "module", "export", "cd")
_DEVICES = "CUDA_VISIBLE_DEVICES"
_SERVES = re.compile(r"\bvllm\b.*\bserve\b|vllm\.entrypoints\.openai\.api_server")
_REPLACED = {
    "hostname": "each job prints its address first",
    "wait": "the node agent waits for its servers",
    "echo": "the state of each server is in the run directory",
    "printf": "the state of each server is in the run directory",
    "date": "SLURM and the node agent keep the times",
    "mkdir": "launch makes the directories of a run",
    "tee": "each attempt of a server has a log of its own",
    "nvidia-smi": "the node agent looks at the GPUs: tau2tui gpus",
    "ulimit": "the node agent raises the limit on open files",
    "set": "the job script is made anew",
    "trap": "the job script ends its servers in good order",
    "curl": "the node agent proves each server ready",
    "true": "it does nothing",
    ":": "it does nothing",
}
"""What tau2tui does in a way of its own, by the command's name."""


@dataclass(slots=True)
class NodeScript:
    """What one script does, as far as it was understood."""

    file: str
    header: Header
    servers: list[Server] = field(default_factory=list)
    sleeps_s: list[float | None] = field(default_factory=list)
    """Behind each server, the pause before the next one; None: there was none."""
    source: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    conda: str = ""
    conda_prefix: str = ""
    venv: str = ""
    exported_at: dict[str, int] = field(default_factory=dict)
    left: list[Leftover] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    secret_names: list[str] = field(default_factory=list)


def read_node_script(file: str, text: str, defined: Mapping[str, str]) -> NodeScript:
    """Read a script without running it. `defined`: variables that it takes from outside.

    Raises ConfigError for what is no shell, Refused with the line of a server that cannot be told without running it.
    """
    text = text.replace("\r\n", "\n")
    header, left = read_header(file, text)
    reader = _Reader(NodeScript(file, header, left=left), text.split("\n"), dict(defined))
    try:
        for item in commands(text, file):
            if isinstance(item, Block):
                reader.block(item)
            else:
                reader.command(item)
    except RecursionError:
        raise ConfigError(f"{file}: nested too deeply to be read") from None
    return reader.finish()


class _Reader:
    def __init__(self, script: NodeScript, lines: list[str], defined: dict[str, str]) -> None:
        self._script, self._lines = script, lines
        self._variables: dict[str, str | None] = dict(defined)
        self._exported: set[str] = set()
        self._last_sleep: Simple | None = None
        self._before_it = ""
        """The command in front of `&&`."""

    def block(self, block: Block) -> None:
        text = " ".join(word.text for word in block.words)
        if _SERVES.search(text):
            raise self._refused(block.line, f"a server is started inside `{block.keyword}`")
        for name in block.assigned:
            self._variables[name] = None
        cleans = "nvidia-smi" in text or "kill" in text or "GPU_PROCESSES" in text
        why = (
            "the node agent ends what is stale on the GPUs before each start"
            if cleans
            else f"what happens inside `{block.keyword}` is only known when it runs"
        )
        self._leave(block.line, block.end, why, "replaced" if cleans else "left")

    def command(self, command: Simple) -> None:
        words = list(command.words)
        prefix: list[tuple[str, Word]] = []
        while words and (found := words[0].assignment()):
            prefix.append(found)
            words.pop(0)
        if _SERVES.search(" ".join(word.text for word in words)):
            self._server(command, words, prefix)
        elif command.before in ("&&", "||") or command.after in ("&&", "||"):
            self._conditional(command, words, prefix)
            self._before_it = words[0].bare if words else ""
        elif not words:
            for name, value in prefix:
                self._assign(name, value, command)
        else:
            self._do(words[0].bare, words[1:], command)

    def finish(self) -> NodeScript:
        script = self._script
        if self._last_sleep is not None and script.servers:
            script.sleeps_s[-1] = None
            self._leave(
                self._last_sleep.line,
                self._last_sleep.end,
                "jobs live until they are stopped or reach their time limit",
                "replaced",
            )
        return script

    def _conditional(self, command: Simple, words: list[Word], prefix: list[tuple[str, Word]]) -> None:
        """A part of `a && b || c`: whether it happens is not known. What sets up the environment in a row is taken."""
        name = words[0].bare if words else ""
        follows = command.before != "&&" or self._before_it in _SETUP
        if "||" not in (command.before, command.after) and name in _SETUP and follows:
            self._do(name, words[1:], command)
            return
        for variable, _ in prefix:
            self._variables[variable] = None
        self._leave(command.line, command.end, "whether it happens is only known when it runs")

    def _do(self, name: str, arguments: list[Word], command: Simple) -> None:
        try:
            match name:
                case "export" | "declare" | "typeset" | "readonly":
                    self._declare(name, arguments, command)
                case "unset":
                    self._unset(arguments)
                case "source" | ".":
                    self._source(as_path(self._one(arguments)))
                case "conda" | "mamba" | "micromamba" if [word.bare for word in arguments[:1]] == ["activate"]:
                    self._script.conda = without_home(self._one(arguments[1:]))
                case "module" | "ml" if [word.bare for word in arguments[:1]] in (["load"], ["add"]):
                    for word in arguments[1:]:
                        self._script.modules += [without_home(value) for value in expand(word, self._variables)]
                case "sleep":
                    self._sleep(self._one(arguments), command)
                case _ if name in _REPLACED:
                    self._leave(command.line, command.end, _REPLACED[name], "replaced")
                case _:
                    self._leave(command.line, command.end, "not understood, and not run")
        except Unresolved as error:
            self._leave(command.line, command.end, str(error))

    def _one(self, words: list[Word]) -> str:
        values = [value for word in words for value in expand(word, self._variables)]
        if len(values) != 1:
            raise Unresolved("one argument was expected")
        return values[0]

    def _assign(self, name: str, value: Word, command: Simple) -> None:
        try:
            self._variables[name] = one(value, self._variables)
        except Unresolved as error:
            self._variables[name] = None
            if "nvidia-smi" in value.text:
                self._leave(command.line, command.end, _REPLACED["nvidia-smi"], "replaced")
            else:
                self._leave(command.line, command.end, str(error))
            return
        self._note_secret(name, self._variables[name] or "")

    def _note_secret(self, name: str, value: str) -> bool:
        if not is_secret_name(name) and not looks_secret(value):
            return False
        if value:
            self._script.secrets.add(value)
        return True

    def _declare(self, keyword: str, arguments: list[Word], command: Simple) -> None:
        flags = "".join(word.bare for word in arguments if word.bare.startswith("-"))
        exports = keyword == "export" or "x" in flags
        for word in arguments:
            if word.bare.startswith("-"):
                continue
            name, value = word.assignment() or (word.bare, None)
            if value is not None:
                self._assign(name, value, command)
            if not exports or not name:
                continue
            known = self._variables.get(name)
            if self._note_secret(name, known or ""):
                self._script.secret_names.append(name)
                self._exported.discard(name)
                self._leave(command.line, command.end, f"a secret is not copied: set {name} in the environment")
            elif name in _OWN:
                self._leave(command.line, command.end, "each replica has a cache of its own", "replaced")
            elif name not in self._variables:
                self._leave(command.line, command.end, f"${name} is not set in the script")
            else:
                self._exported.add(name)
                self._script.exported_at[name] = command.line

    def _unset(self, arguments: list[Word]) -> None:
        for word in arguments:
            self._variables.pop(word.bare, None)
            self._exported.discard(word.bare)

    def _source(self, path: str) -> None:
        if path.endswith(_CONDA):
            self._script.conda_prefix = path.removesuffix(_CONDA)
        elif path.endswith("/bin/activate"):
            self._script.venv = path.removesuffix("/bin/activate")
        elif path not in self._script.source:
            self._script.source.append(path)

    def _sleep(self, text: str, command: Simple) -> None:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
        if found is None:
            raise Unresolved(f"sleep {text}: no number")
        seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
        if not self._script.servers:
            self._leave(command.line, command.end, "it waits before the first server", "replaced")
            return
        self._script.sleeps_s[-1] = (self._script.sleeps_s[-1] or 0.0) + seconds
        self._last_sleep = command

    def _server(self, command: Simple, words: list[Word], prefix: list[tuple[str, Word]]) -> None:
        if command.before == "||" or command.before == "|":
            raise self._refused(command.line, f"a server is started behind `{command.before}`")
        try:
            here: dict[str, str | None] = {}
            for name, value in prefix:
                here[name] = one(value, self._variables)
            argv = [value for word in words for value in expand(word, self._variables)]
            while argv and (argv[0] == "env" or re.match(r"[A-Za-z_]\w*=", argv[0])):
                name, sign, value_ = argv.pop(0).partition("=")
                if sign:
                    here[name] = value_
            if not is_server(argv):
                raise Unresolved("how the server is started was not understood")
            log = as_path(one(command.output, self._variables)) if command.output else ""
            exported = {name: self._variables[name] for name in self._exported}
            environment, devices = self._environment({**exported, **here}, command)
            if any(name in _OWN for name in here):
                self._leave(command.line, command.line, "each replica has a cache of its own", "replaced")
            server = read_server(self._script.file, command.line, argv, environment, devices, log)
        except Unresolved as error:
            raise self._refused(command.line, str(error)) from None
        self._script.secrets.update(server.secrets)
        for note in server.notes:
            self._leave(command.line, command.end, note)
        self._script.servers.append(server)
        self._script.sleeps_s.append(None)
        self._last_sleep = None

    def _environment(self, variables: Mapping[str, str | None], command: Simple) -> tuple[dict[str, str], str | None]:
        """The variables of one server that are worth to be set, and its GPUs."""
        environment = {}
        for name, value in variables.items():
            if name in _OWN or name == _DEVICES:
                continue
            if self._note_secret(name, value or ""):
                self._script.secret_names.append(name)
                self._leave(command.line, command.end, f"a secret is not copied: set {name} in the environment")
            elif value is None:
                continue  # it was named where it was set
            elif HOME in value:
                line = self._script.exported_at.get(name, command.line)
                self._leave(line, line, f"{name}: the home directory is not known here: --define HOME=DIR")
            else:
                environment[name] = value
        devices = variables.get(_DEVICES)
        if devices is None and _DEVICES in variables:
            raise Unresolved(f"${_DEVICES} is only known when it runs")
        return environment, devices

    def _refused(self, line: int, why: str) -> Refused:
        text = self._lines[line - 1].strip()[:120] if line <= len(self._lines) else ""
        return Refused(
            f"{self._script.file}:{line}: {' '.join(why.split())}: {masked(text, self._script.secrets)}",
            "scripts are read, never run: write out each `vllm serve`, or give the value of a variable by --define",
        )

    def _leave(self, line: int, end: int, why: str, kind: Kind = "left") -> None:
        text = "\n".join(self._lines[line - 1 : end]).strip()
        entry = Leftover(self._script.file, line, text, why, kind)
        if entry not in self._script.left:
            self._script.left.append(entry)


def node_number(script: NodeScript) -> int | None:
    """The number at the end of its job's name, or of its own."""
    for name in (script.header.job_name, PurePosixPath(script.file).stem):
        if found := re.search(r"(\d{1,4})$", name):
            return int(found[1])
    return None
