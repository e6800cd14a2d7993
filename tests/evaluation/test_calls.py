"""A call with its attempts: real servers as replicas, the real router, and what is told of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tau2tui.config import EvaluationConfig
from tau2tui.core.error_class import ErrorClass
from tau2tui.core.layout import RunLayout
from tau2tui.core.model import EvalProgress, EvalState, Phase
from tau2tui.evaluation.answer import Answer
from tau2tui.evaluation.calls import NEUTRAL, Exchange, UnitCaller
from tau2tui.evaluation.client import ChatClient, ChatMessage
from tau2tui.evaluation.conversation import NO_THINK, NON_THINKING_SYSTEM
from tau2tui.evaluation.faults import Abandoned, CallError
from tau2tui.evaluation.journal import Journal
from tau2tui.evaluation.latency import FEWEST
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.progress import Tally
from tau2tui.evaluation.routing import Router
from tau2tui.evaluation.turn import Part
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import Unit
from tau2tui.evaluation.windows import Windows
from tests.evaluation.chat_server import (
    END,
    NO_MONEY,
    USAGE,
    ChatServer,
    Reply,
    chat_server,
    delta,
    failure,
    text_stream,
    whole,
)
from tests.sample import make_replica

UNIT = Unit("telecom", "[mms]a b|c", 1, 77)
EXPERT = Participant("expert-1", "expert", "org/Expert")
AGENT = Participant("expert-1", "agent", "org/Agent")
USER = Participant("user", "user", "gpt-5", fleet=False)
MESSAGES: list[ChatMessage] = [{"role": "system", "content": "P"}, {"role": "user", "content": "Hi"}]
GOOD = text_stream("Hello.")


@dataclass
class Bench:
    """Replicas of expert-1 and an outside server, with everything between them and one unit."""

    servers: list[ChatServer]
    outside: ChatServer
    exchange: Exchange
    call: UnitCaller
    tally: Tally
    journal: Journal
    run_dir: Path

    def ask(self, participant: Participant = EXPERT) -> Answer:
        return self.call(participant, MESSAGES, [])

    @property
    def asked(self) -> list[int]:
        return [len(server.asked) for server in self.servers]

    def progress(self) -> EvalProgress:
        return self.tally.progress(EvalState.RUNNING, 1)

    def log(self, name: str = "fullrun.log") -> str:
        """What was said; that is all in the files once the journal is closed."""
        with self.journal:
            pass
        return (self.run_dir / "logs" / name).read_text()


class Benches:
    """Builds benches that are taken down with the test."""

    def __init__(self, run_dir: Path, stack: ExitStack) -> None:
        self._run_dir = run_dir
        self._stack = stack

    def __call__(
        self, *replicas: Reply | list[Reply], outside: Reply | None = None, rehearsal: bool = False, **settings: float
    ) -> Bench:
        servers = [
            self._stack.enter_context(chat_server(*([reply] if isinstance(reply, Reply) else reply)))
            for reply in replicas
        ]
        elsewhere = self._stack.enter_context(chat_server(outside or whole("Hello.")))
        evaluation = EvaluationConfig.model_validate({"user": {"base_url": elsewhere.url}, **settings})
        router = Router({"expert-1": 8})
        router.update(
            make_replica(f"expert-1-{number}", address="127.0.0.1", port=server.port)
            for number, server in enumerate(servers)
        )
        abandoned = threading.Event()
        exchange = Exchange(
            evaluation=evaluation,
            router=router,
            fleet=self._stack.enter_context(ChatClient("EMPTY", stream=True, abandoned=abandoned)),
            outside=self._stack.enter_context(ChatClient("sk-outside", stream=False, abandoned=abandoned)),
            rehearsal=rehearsal,
            abandoned=abandoned,
            first_wait_s=0.01,
        )
        journal = self._stack.enter_context(Journal(self._run_dir, RunLayout(), ("telecom",)))
        now = time.time()
        tally = Tally({"telecom": 1}, EvalProgress(EvalState.STARTING, now, now))
        tally.started(UNIT)
        call = UnitCaller(exchange, UnitLog(UNIT, journal, tally))
        return Bench(servers, elsewhere, exchange, call, tally, journal, self._run_dir)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Benches]:
    with ExitStack() as stack:
        yield Benches(tmp_path, stack)


def test_an_answer_is_counted_and_names_its_replica(bench: Benches) -> None:
    fleet = bench(GOOD)
    answer = fleet.ask()
    assert (answer.text, answer.replica) == ("Hello.", "expert-1-0")
    progress = fleet.progress()
    assert (progress.calls, progress.errors, progress.retries) == ({"expert-1": 1}, {}, 0)
    assert (progress.running[0].doing, progress.running[0].replica) == ("expert-1", "expert-1-0")
    assert "type=expert_call" in fleet.log("tau2_telecom.log")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (failure(500), "server"),
        (failure(429), "rate_limit"),
        (text_stream(), "empty"),
        (Reply(events=("x",), cut=True), "server"),
    ],
)
def test_what_may_pass_is_tried_again_at_another_replica_at_once(bench: Benches, fault: Reply, kind: str) -> None:
    fleet = bench(fault, GOOD)
    assert fleet.ask().replica == "expert-1-1"
    progress = fleet.progress()
    assert progress.errors == {kind: 1}
    assert progress.errors_by_replica == {"expert-1-0": 1}
    assert progress.retries == 1
    assert progress.calls == {"expert-1": 1}
    assert f"telecom/[mms]a b|c#1 expert-1 at expert-1-0: {kind}: " in fleet.log()
    assert "Retry 1/4 in 0s..." in fleet.log()


HARMONY = failure(500, "unexpected tokens remaining in message header: Some(x)")


def test_after_a_harmony_error_the_same_replica_is_asked_once_more_and_then_another(bench: Benches) -> None:
    fleet = bench([HARMONY, GOOD], [GOOD])
    assert fleet.ask().replica == "expert-1-0"
    assert fleet.asked == [2, 0]
    fleet = bench([HARMONY], [GOOD])
    assert fleet.ask().replica == "expert-1-1"
    assert fleet.asked == [2, 1]
    assert fleet.progress().errors == {"harmony": 2}
    assert fleet.progress().errors_by_replica == {"expert-1-0": 2}


@pytest.mark.parametrize("participant", [EXPERT, AGENT])
def test_who_says_nothing_in_any_attempt_gets_a_neutral_text_and_never_its_reasoning(
    bench: Benches, participant: Participant
) -> None:
    thought = Reply(events=(delta(role="assistant"), delta(reasoning="They want a refund."), END, USAGE, "[DONE]"))
    fleet = bench(thought, max_attempts=2)
    answer = fleet.ask(participant)
    assert (answer.text, answer.stand_in, answer.replica) == (NEUTRAL, True, "expert-1-0")
    assert (answer.input_tokens, answer.output_tokens) == (11, 7)
    assert fleet.progress().errors == {"empty": 2}
    assert sum(fleet.progress().calls.values()) == 1
    assert "19 characters of reasoning" in fleet.log() and "a neutral text stands in" in fleet.log()
    assert "refund" not in fleet.log() + fleet.log("tau2_telecom.log")
    assert "failed permanently" not in fleet.log()
    assert Part(participant, answer).record()["stand_in"] is True


def test_the_silence_of_the_user_simulator_is_an_error_and_no_word_of_the_user(bench: Benches) -> None:
    fleet = bench(outside=whole(""), max_attempts=2)
    with pytest.raises(CallError) as caught:
        fleet.ask(USER)
    assert caught.value.kind is ErrorClass.EMPTY


def test_the_server_says_how_long_to_wait(bench: Benches) -> None:
    refusal = Reply({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "7"})
    fleet = bench(refusal, call_timeout_s=5)
    with pytest.raises(CallError) as caught:
        fleet.ask()
    assert caught.value.retry_after_s == 7.0
    assert fleet.asked == [1], "to wait that long was no use"
    assert bench(refusal, GOOD).ask().replica == "expert-1-1", "another replica need not wait"


def test_an_account_without_money_is_not_asked_again(bench: Benches) -> None:
    fleet = bench(outside=Reply(NO_MONEY, status=429))
    with pytest.raises(CallError) as caught:
        fleet.ask(USER)
    assert caught.value.kind is ErrorClass.BUDGET
    assert len(fleet.outside.asked) == 1


def test_a_server_that_takes_less_than_configured_gets_less(bench: Benches) -> None:
    turns: list[ChatMessage] = [{"role": "assistant", "content": "x" * 700} for _ in range(40)]
    windows = Windows("EMPTY")
    sent = []
    for window in (None, 31000, 4000, 1200):
        fleet = bench(Reply(GOOD.body, events=GOOD.events, window=window))
        exchange = replace(fleet.exchange, windows=windows)
        call = UnitCaller(exchange, UnitLog(UNIT, fleet.journal, fleet.tally))
        call(EXPERT, [*MESSAGES, *turns], [])
        body = fleet.servers[0].asked[0].body
        sent.append((len(body["messages"]), body["max_tokens"]))
    (unknown, enough, less, least) = sent
    assert unknown == enough == (42, 8000)
    assert less[0] < 42 and less[1] == 2000
    assert 3 <= least[0] < less[0] and least[1] == 600


def test_only_experts_are_measured_for_the_orchestrator(bench: Benches) -> None:
    fleet = bench(GOOD)
    for _ in range(FEWEST):
        fleet.ask(AGENT)
    assert fleet.exchange.latencies.told_s("expert-1") is None
    for _ in range(FEWEST):
        fleet.ask(EXPERT)
    assert fleet.exchange.latencies.told_s("expert-1") is not None


def test_the_only_replica_is_asked_again_with_another_seed(bench: Benches) -> None:
    fleet = bench([text_stream(), text_stream(), GOOD])
    assert fleet.ask().text == "Hello."
    assert [asked.body["seed"] for asked in fleet.servers[0].asked] == [77, 78, 79]
    assert fleet.progress().retries == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_no_repetition_would_help_ends_the_call(bench: Benches, status: int) -> None:
    fleet = bench(failure(status), GOOD)
    with pytest.raises(CallError):
        fleet.ask()
    assert fleet.asked == [1, 0]
    assert "LLM call failed permanently after 1 attempts" in fleet.log()
    assert fleet.progress().retries == 0
    assert sum(fleet.progress().errors.values()) == 1


def test_a_stream_that_falls_silent_in_its_middle_is_given_up_for_another_replica(bench: Benches) -> None:
    fleet = bench(Reply(events=(delta(role="assistant"), delta(content="Hel")), stalls=True), GOOD, call_timeout_s=3)
    assert fleet.ask().text == "Hello."
    assert fleet.progress().errors == {"timeout": 1} and fleet.asked == [1, 1]


def test_attempts_have_an_end(bench: Benches) -> None:
    fleet = bench(failure(429), max_attempts=3)
    with pytest.raises(CallError) as caught:
        fleet.ask()
    assert caught.value.kind is ErrorClass.RATE_LIMIT
    assert fleet.asked == [3]
    assert fleet.progress().errors == {"rate_limit": 3}
    assert fleet.progress().retries == 2
    assert "LLM call failed permanently after 3 attempts: rate_limit: " in fleet.log()


def test_all_attempts_together_have_a_time(bench: Benches) -> None:
    fleet = bench(Reply(silent=True), call_timeout_s=0.3)
    with pytest.raises(CallError) as caught:
        fleet.ask()
    assert caught.value.kind in (ErrorClass.TIMEOUT, ErrorClass.CONNECTION)
    assert len(fleet.servers[0].asked) < 3


def test_a_wait_for_a_replica_in_vain_blames_no_replica(bench: Benches) -> None:
    fleet = bench(GOOD, call_timeout_s=0.1)
    fleet.exchange.router.update([make_replica("expert-1-0", Phase.FAILED)])
    with pytest.raises(CallError, match="no replica of expert-1 was free"):
        fleet.ask()
    assert fleet.progress().errors == {"connection": 1}
    assert fleet.progress().errors_by_replica == {}


def test_a_stop_ends_the_wait_between_attempts(bench: Benches) -> None:
    fleet = bench(failure(429))
    fleet.exchange.abandoned.set()
    with pytest.raises(Abandoned):
        fleet.ask()
    assert fleet.progress().errors == {}


def test_the_fleet_samples_as_configured(bench: Benches) -> None:
    fleet = bench(GOOD, temperature=0.5, max_tokens=99)
    fleet.ask()
    body = fleet.servers[0].asked[0].body
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("org/Expert", 0.5, 99, 77)
    assert "x-tau2tui-unit" not in fleet.servers[0].asked[0].headers


def test_practice_servers_are_told_whom_they_play(bench: Benches) -> None:
    fleet = bench(GOOD, rehearsal=True)
    fleet.ask(AGENT)
    headers = fleet.servers[0].asked[0].headers
    assert headers["x-tau2tui-unit"] == "telecom/%5Bmms%5Da%20b%7Cc"
    assert headers["x-tau2tui-role"] == "agent"


def test_a_model_outside_the_fleet_gets_its_own_key_and_nothing_of_ours(bench: Benches) -> None:
    fleet = bench(GOOD, rehearsal=True)
    answer = fleet.ask(USER)
    assert (answer.text, answer.replica) == ("Hello.", "")
    asked = fleet.outside.asked[0]
    assert asked.body == {"model": "gpt-5", "messages": MESSAGES, "stream": False}
    assert asked.headers["authorization"] == "Bearer sk-outside"
    assert not [name for name in asked.headers if name.startswith("x-tau2tui")]
    assert fleet.progress().calls == {"user": 1}
    line = fleet.log("tau2_telecom.log")
    assert line.startswith("[USER_JUDGE] ")
    assert "type=user_sim step=0 model=gpt-5 call_type=openai duration_ms=" in line


def test_an_outside_model_is_tried_again_as_well(bench: Benches) -> None:
    fleet = bench(outside=failure(503), max_attempts=2)
    with pytest.raises(CallError):
        fleet.ask(USER)
    assert len(fleet.outside.asked) == 2
    assert fleet.progress().errors_by_replica == {}
    assert fleet.progress().errors_by_role == {"user": 2}


def test_who_shall_not_think_gets_the_conversation_rendered_for_it(bench: Benches) -> None:
    fleet = bench(GOOD)
    fleet.ask(Participant("expert-1", "expert", "org/Qwen3", thinking=False))
    system, user = fleet.servers[0].asked[0].body["messages"]
    assert system["content"] == "P" + NON_THINKING_SYSTEM
    assert user["content"] == "Hi" + NO_THINK
    assert "chat_template_kwargs" not in fleet.servers[0].asked[0].body
    fleet.ask(Participant("expert-1", "expert", "org/Qwen3", thinking=False, thinking_switch="template"))
    body = fleet.servers[0].asked[1].body
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["messages"] == [system, {"role": "user", "content": "Hi"}]


def test_long_conversations_are_cut_for_the_fleet(bench: Benches) -> None:
    fleet = bench(GOOD, context_tokens=1000)
    turns: list[ChatMessage] = [{"role": "assistant", "content": "x" * 700} for _ in range(20)]
    fleet.call(EXPERT, [*MESSAGES, *turns], [])
    fleet.call(USER, [*MESSAGES, *turns], [])
    sent = fleet.servers[0].asked[0].body["messages"]
    assert sent[:2] == MESSAGES
    assert 2 < len(sent) < 22
    assert len(fleet.outside.asked[0].body["messages"]) == 22
