"""Private keys with a passphrase: real keys of ssh-keygen, real SSH servers, one of them OpenSSH."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from tau2tui.config import ClusterConfig
from tau2tui.errors import Unreachable
from tau2tui.remote import ssh
from tau2tui.remote.login import Login, Question
from tau2tui.remote.ssh import SshShell
from tests.logins import Person, ends_its_question, keygen, openssh, server, two_terminals

PASSPHRASE = "correct horse 7#%{}"


class TakingKeys(asyncssh.SSHServer):
    """Takes the keys that are authorized, and nothing else."""

    authorized: tuple[bytes, ...] = ()

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data in self.authorized


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@asynccontextmanager
async def login_node(directory: Path, *options: str) -> AsyncIterator[ClusterConfig]:
    """A login node that takes the key `id`, which has a passphrase, and no other."""
    async with server(directory, TakingKeys) as there:  # which has written a key of its own at that place
        (directory / "id").unlink()
        keygen(directory / "id", PASSPHRASE, *options)
        TakingKeys.authorized = (asyncssh.read_public_key(directory / "id.pub").public_data,)
        yield there


def prompt(directory: Path) -> str:
    return f"Passphrase of the key {directory}/id: "


@pytest.mark.parametrize("options", [(), ("-t", "rsa", "-m", "PEM"), ("-t", "ecdsa", "-m", "PKCS8")])
async def test_a_passphrase_is_asked_for_once_for_all_readers_and_connections(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    person = Person(["wrong", PASSPHRASE])
    login = Login(person.answer)
    async with login_node(tmp_path, *options) as there:
        shell = SshShell(there, login)
        found = await asyncio.gather(*(shell.run(["echo", str(number)]) for number in range(6)))
        await shell.close()
        assert [each.stdout for each in found] == [f"{number}\n" for number in range(6)]
        again = SshShell(there, login)
        assert (await again.run(["echo", "in"])).stdout == "in\n"
        await again.close()
    assert person.asked == [
        Question("login", "", prompt(tmp_path), echoed=False),
        Question("login", "This does not open the key.", prompt(tmp_path), echoed=False),
    ]


async def test_a_key_without_its_public_half_beside_it_is_asked_about_where_the_file_itself_has_it(
    tmp_path: Path,
) -> None:
    person = Person([PASSPHRASE])
    async with login_node(tmp_path) as there:
        (tmp_path / "id.pub").unlink()
        shell = SshShell(there, Login(person.answer))
        assert (await shell.run(["echo", "in"])).stdout == "in\n"
        await shell.close()
    assert len(person.asked) == 1


async def test_a_key_in_an_old_format_without_its_public_half_is_passed_over(tmp_path: Path) -> None:
    person = Person([])
    async with login_node(tmp_path, "-t", "rsa", "-m", "PEM") as there:
        (tmp_path / "id.pub").unlink()
        with pytest.raises(Unreachable, match="login refused"):
            await SshShell(there, Login(person.answer)).run(["true"])
    assert person.asked == []


async def test_the_keys_that_ssh_takes_by_default_are_asked_about_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    person = Person([PASSPHRASE])
    async with login_node(tmp_path) as there:
        (tmp_path / ".ssh").mkdir()
        (tmp_path / "id").rename(tmp_path / ".ssh" / "id_ed25519")
        (tmp_path / "id.pub").rename(tmp_path / ".ssh" / "id_ed25519.pub")
        settings = (tmp_path / "config").read_text()
        (tmp_path / "config").write_text("".join(line for line in settings.splitlines(True) if "Identit" not in line))
        shell = SshShell(there, Login(person.answer))
        assert (await shell.run(["echo", "in"])).stdout == "in\n"
        await shell.close()
    assert [question.prompt for question in person.asked] == [f"Passphrase of the key {tmp_path}/.ssh/id_ed25519: "]


async def test_nobody_is_asked_about_a_key_that_the_server_does_not_take(tmp_path: Path) -> None:
    person = Person([])
    async with login_node(tmp_path) as there:
        TakingKeys.authorized = ()
        with pytest.raises(Unreachable, match="login refused"):
            await SshShell(there, Login(person.answer)).run(["true"])
    assert person.asked == []


@pytest.mark.parametrize("answers", [[None], [""], ["one", "two", "three"]])
async def test_after_no_right_answer_nothing_is_asked_nor_tried_until_that_is_wanted(
    answers: list[str | None], tmp_path: Path
) -> None:
    person = Person([*answers, PASSPHRASE])
    login = Login(person.answer)
    async with login_node(tmp_path) as there:
        shell = SshShell(there, login)
        with pytest.raises(Unreachable, match="login refused"):
            await shell.run(["true"])
        for _ in range(3):
            with pytest.raises(Unreachable, match="was not answered"):
                await shell.run(["true"])
        assert len(person.asked) == len(answers)
        login.again()
        assert (await shell.run(["echo", "in"])).stdout == "in\n"
        await shell.close()
    assert person.answers == []


async def test_nobody_is_asked_for_a_passphrase_where_nobody_is(tmp_path: Path) -> None:
    async with login_node(tmp_path) as there:
        for _ in range(2):
            with pytest.raises(Unreachable, match="login refused: Permission denied"):
                await SshShell(there).run(["true"])


@pytest.mark.slow
async def test_a_person_may_think_about_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT_S", 5.0)
    over = asyncio.Event()

    async def think(_: Question) -> str:
        asyncio.get_running_loop().call_later(5.2, over.set)
        await over.wait()
        return PASSPHRASE

    async with login_node(tmp_path) as there:
        shell = SshShell(there, Login(think))
        assert (await shell.run(["echo", "in"])).stdout == "in\n"
        await shell.close()
    assert over.is_set()


async def test_the_question_for_a_passphrase_ends_with_the_shell(tmp_path: Path) -> None:
    async with login_node(tmp_path) as there:
        await ends_its_question(there)


@pytest.mark.lab
async def test_openssh_takes_a_key_with_a_passphrase_which_is_written_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """After no right answer it is not even connected to."""
    caplog.set_level(logging.DEBUG)
    asyncssh.set_debug_level(2)
    keygen(tmp_path / "id", PASSPHRASE)
    (tmp_path / "authorized").write_text((tmp_path / "id.pub").read_text())
    person = Person([None, f"not {PASSPHRASE}", PASSPHRASE])
    login = Login(person.answer)
    log = tmp_path / "log"
    try:
        with openssh(tmp_path, "AuthenticationMethods publickey\nLogLevel VERBOSE\n") as there:
            shell = SshShell(there, login)
            with pytest.raises(Unreachable) as refused:
                await shell.run(["true"])
            connections = log.read_text().count("Connection from")
            with pytest.raises(Unreachable, match="was not answered"):
                await shell.run(["true"])
            assert log.read_text().count("Connection from") == connections == 1
            login.again()
            assert (await shell.run(["echo", "in"])).stdout == "in\n", log.read_text()
            await shell.close()
            assert (await shell.run(["echo", "again"])).stdout == "again\n"
            await shell.close()
    finally:
        asyncssh.set_debug_level(1)
    assert (len(person.asked), person.answers) == (3, [])
    assert "Trying public key auth" in caplog.text
    written = [path.read_bytes().decode(errors="replace") for path in tmp_path.iterdir() if path.is_file()]
    said = [caplog.text, *capfd.readouterr(), str(refused.value), repr(login), repr(shell.commands.__dict__)]
    assert not any(PASSPHRASE in text for text in [*written, *said])


@pytest.mark.slow
async def test_a_word_asks_for_a_passphrase_on_the_terminal(tmp_path: Path) -> None:
    """Once with an answer, and once with ctrl+c, which ends it at once."""
    async with login_node(tmp_path) as there:
        with two_terminals(there, tmp_path, 200) as (answering, leaving):
            await asyncio.to_thread(leaving.wait_for, "Passphrase of the key")
            leaving.press("C-c")
            await asyncio.to_thread(leaving.wait_for, "ended with 130")

            await asyncio.to_thread(answering.wait_for, f"login: {prompt(tmp_path).strip()}")
            answering.press(PASSPHRASE, "Enter")
            shown = await asyncio.to_thread(answering.wait_for, "ended with 0")
            assert PASSPHRASE not in shown
