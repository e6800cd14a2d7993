"""Logins that ask a person something: real SSH servers, one of them OpenSSH with PAM."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tau2tui.errors import Unreachable
from tau2tui.remote import ssh
from tau2tui.remote.login import Login, Question
from tau2tui.remote.ssh import SshShell
from tests.logins import (
    CODE,
    Asking,
    AskingForPassword,
    Person,
    ends_its_question,
    keygen,
    openssh,
    server,
    two_terminals,
)


async def test_what_a_login_asks_is_asked_once_for_all_readers(tmp_path: Path) -> None:
    person = Person(["1", CODE])
    async with server(tmp_path) as there:
        shell = SshShell(there, Login(person.answer))
        found = await asyncio.gather(*(shell.run(["echo", str(number)]) for number in range(6)))
        await shell.close()
    assert [each.stdout for each in found] == [f"{number}\n" for number in range(6)]
    words = "Duo Enter a passcode or:\n 1. push to \x1b[31mphone"
    assert person.asked == [
        Question("login", words, "Way: ", echoed=True),
        Question("login", words, "Code: ", echoed=False),
    ]


async def test_a_password_is_asked_for_where_the_server_wants_one(tmp_path: Path) -> None:
    person = Person(["wrong", CODE])
    async with server(tmp_path, AskingForPassword) as there:
        shell = SshShell(there, Login(person.answer))
        assert (await shell.run(["echo", "in"])).stdout == "in\n"
        await shell.close()
    assert [question.prompt.strip() for question in person.asked] == ["Password:", "Password:"]
    assert not any(question.echoed for question in person.asked)


async def test_a_wrong_answer_is_asked_for_once_more(tmp_path: Path) -> None:
    person = Person(["1", "000000", "1", CODE])
    async with server(tmp_path) as there:
        shell = SshShell(there, Login(person.answer))
        assert (await shell.run(["echo", "in"])).stdout == "in\n"
        await shell.close()
    assert (len(person.asked), Asking.tries) == (4, 2)


async def test_who_does_not_answer_is_not_asked_again_until_that_is_wanted(tmp_path: Path) -> None:
    person = Person([None, "1", CODE])
    login = Login(person.answer)
    async with server(tmp_path) as there:
        shell = SshShell(there, login)
        with pytest.raises(Unreachable, match="login refused"):
            await shell.run(["true"])
        for _ in range(3):
            with pytest.raises(Unreachable, match="was not answered"):
                await shell.run(["true"])
        assert (len(person.asked), Asking.tries) == (1, 1)
        login.again()
        assert (await shell.run(["echo", "in"])).stdout == "in\n"
        await shell.close()


async def test_nobody_is_asked_where_nobody_is(tmp_path: Path) -> None:
    async with server(tmp_path) as there:
        with pytest.raises(Unreachable, match="login refused"):
            await SshShell(there).run(["true"])
    assert Asking.tries == 0


@pytest.mark.slow
async def test_a_person_may_think_for_longer_than_a_connection_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT_S", 5.0)
    over = asyncio.Event()

    async def think(question: Question) -> str:
        if question.echoed:
            asyncio.get_running_loop().call_later(5.2, over.set)
            await over.wait()
            return "1"
        return CODE

    async with server(tmp_path) as there:
        shell = SshShell(there, Login(think))
        assert (await shell.run(["echo", "in"])).stdout == "in\n"
        await shell.close()
    assert over.is_set()


async def test_a_reader_that_waits_no_longer_does_not_end_the_login(tmp_path: Path) -> None:
    asked, answers = asyncio.Event(), asyncio.Event()

    async def answer(question: Question) -> str:
        asked.set()
        await answers.wait()
        return "1" if question.echoed else CODE

    async with server(tmp_path) as there:
        shell = SshShell(there, Login(answer))
        impatient = asyncio.create_task(shell.run(["true"]))
        await asked.wait()
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        patient = asyncio.create_task(shell.run(["echo", "in"]))
        answers.set()
        assert (await patient).stdout == "in\n"
        await shell.close()
    assert Asking.tries == 1


async def test_a_question_ends_with_the_shell(tmp_path: Path) -> None:
    async with server(tmp_path) as there:
        await ends_its_question(there)


# pam_exec does not say whether credentials may be set, so that somebody else has to.
PAM = """\
auth required pam_exec.so quiet expose_authtok {check}
auth required pam_permit.so
account required pam_permit.so
session required pam_permit.so
"""


@pytest.mark.lab
async def test_openssh_with_a_key_and_a_one_time_password_of_pam(tmp_path: Path) -> None:
    """As on clusters: the key first, and then a question of a PAM module."""
    keygen(tmp_path / "id", "")
    (tmp_path / "authorized").write_text((tmp_path / "id.pub").read_text())
    check = tmp_path / "check"
    check.write_text(f'#!/bin/sh\n[ "$(tr -d "\\0")" = {CODE} ]\n')
    check.chmod(0o755)
    settings = "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive\n"
    with openssh(tmp_path, settings, PAM.format(check=check)) as there:
        person = Person(["000000", CODE])
        shell = SshShell(there, Login(person.answer))
        assert (await shell.run(["echo", "in"])).stdout == "in\n", (tmp_path / "log").read_text()
        await shell.close()
    assert [question.prompt for question in person.asked] == ["Password: ", "Password: "]


@pytest.mark.slow
async def test_a_word_asks_on_the_terminal(tmp_path: Path) -> None:
    """Once with an answer, and once with ctrl+c, which ends it at once."""
    async with server(tmp_path) as there:
        with two_terminals(there, tmp_path, 100) as (answering, leaving):
            await asyncio.to_thread(leaving.wait_for, "login: Way:")
            leaving.press("C-c")
            await asyncio.to_thread(leaving.wait_for, "ended with 130")

            shown = await asyncio.to_thread(answering.wait_for, "login: Way:")
            assert "Enter a passcode or:" in shown and "push to \N{REPLACEMENT CHARACTER}[31mphone" in shown
            answering.press("1", "Enter")
            await asyncio.to_thread(answering.wait_for, "login: Code:")
            answering.press(CODE, "Enter")
            shown = await asyncio.to_thread(answering.wait_for, "ended with 0")
            assert CODE not in shown
