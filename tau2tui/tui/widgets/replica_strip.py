"""The strip below the fleet: what is wrong with the replica under the cursor, and what that affects."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.core.fleet import FleetRow
from tau2tui.core.verdict import Standing
from tau2tui.tui.format import STANDINGS, UNKNOWN, Tone, duration, numbers, percent, text, whole
from tau2tui.tui.kept_samples import Trends
from tau2tui.tui.widgets.trend_lines import trend_rows

_REMEDIES = {
    Standing.ABSENT: "launch the fleet: tau2tui launch",
    Standing.FAILED: "R starts it again in its job; the others and the evaluation go on",
    Standing.STOPPED: "R starts it again in its job",
}
_ROOM_TO_WRAP = 5


class ReplicaStrip(Widget):
    """Full names and full reasons; in a low terminal each takes one line, and the screen's edge ends it."""

    row: reactive[FleetRow | None] = reactive(None, repaint=False)
    old: reactive[bool] = reactive(False)
    """Whether what is known of it may no longer be true."""
    trends: reactive[Trends | None] = reactive(None)
    """Its last hour, if that was sampled."""

    def watch_row(self, before: FleetRow | None, row: FleetRow | None) -> None:
        """Its load changes with every look, and is not what is said here."""
        trends_come_or_go = (before and before.replica) != (row and row.replica)
        if trends_come_or_go or _lines(before, old=self.old) != _lines(row, old=self.old):
            self.refresh()

    def render(self) -> Group:
        row = self.row
        if row is None:
            return Group()
        head, *_ = lines = _lines(row, old=self.old)
        trends = self.trends if self.trends is not None and self.trends.replica == row.replica else None
        over_time = trend_rows(trends, self.content_size.width) if trends else []
        if self.size.height < _ROOM_TO_WRAP:
            # Whoever looks back wants to know how it came about.
            return Group(*([head, *over_time] if row.past else lines))
        for line in lines:
            line.no_wrap = False
        return Group(*lines, *over_time)


def _lines(row: FleetRow | None, *, old: bool) -> list[Text]:
    """What is said of a row, without its last hour."""
    if row is None:
        return []
    glyph, tone = STANDINGS[row.standing]
    was = ("last seen ", Tone.DOUBT) if old else ""
    head = text((row.replica, Tone.STRONG), "  ", was, (f"{glyph} {row.standing}", tone), "  ", _why(row))
    where = text(("where    ", Tone.MUTED), _where(row))
    lines = [head, where] if row.past else [head, text(("affects  ", Tone.MUTED), _affects(row)), where]
    if remedy := _remedy(row):
        lines.insert(1, text(("remedy   ", Tone.MUTED), remedy))
    return lines


def detail(row: FleetRow) -> list[tuple[str, str]]:
    """Everything about a replica, in full."""
    load = row.load
    rate = f", {row.errors_per_min:.1f} a minute" if row.errors_per_min is not None else ""
    return [
        ("replica", row.replica),
        ("expert", row.expert),
        ("state", f"{row.standing}{f', {row.phase}' if row.phase and row.phase != row.standing else ''}"),
        ("why", row.why),
        ("last error", row.last_error),
        ("remedy", _remedy(row)),
        ("proved", row.level or UNKNOWN),
        ("boot phase", boot_words(row)),
        ("job", f"{row.job_id} {row.job} {row.job_state}".strip()),
        ("time left", duration(row.time_left_s)),
        ("node", f"{row.node or UNKNOWN}, GPUs {numbers(row.gpus)}"),
        ("endpoint", f"http://{row.address or UNKNOWN}:{row.port}"),
        ("load", f"{whole(load.running)} running, {whole(load.waiting)} waiting, KV cache {percent(load.kv_cache)}"),
        ("speed", f"{whole(load.generation_tokens_s)} tokens/s"),
        ("evaluation", f"{_affects(row)}{rate}"),
        ("attempt", str(row.attempt)),
        ("log", row.log),
    ]


def boot_words(row: FleetRow) -> str:
    """How long it has been in its boot phase, against what is usual for its expert; empty while it does not start."""
    if row.phase_s is None:
        return ""
    usual = f" (usual {duration(row.usual_phase_s)})" if row.usual_phase_s is not None else ""
    return f"{row.phase} for {duration(row.phase_s)}{usual}"


def _remedy(row: FleetRow) -> str:
    """The command first: in a low terminal the line ends at the screen's edge."""
    if (found := row.diagnosis) is None:
        return _REMEDIES.get(row.standing, "")
    return f"{found.action} · {found.cause}. {found.remedy}"


def _why(row: FleetRow) -> tuple[str, Tone]:
    if row.why:
        return row.why, Tone.BAD if row.standing is Standing.FAILED else Tone.PLAIN
    if boot := boot_words(row):
        return boot, Tone.PLAIN
    if row.standing is Standing.READY:
        return "serves, and a completion proved it" if row.level == "completion" else "serves", Tone.PLAIN
    return (f"proved so far: {row.level}" if row.level else UNKNOWN), Tone.PLAIN


def _affects(row: FleetRow) -> str:
    if row.past:
        return "not known of that time"
    if row.in_flight is None:
        return "no evaluation"
    calls = "1 failed call" if row.errors == 1 else f"{row.errors} failed calls"
    simulations = "1 simulation waits" if row.in_flight == 1 else f"{row.in_flight} simulations wait"
    return f"{simulations} for it now; {calls} so far"


def _where(row: FleetRow) -> str:
    if row.past and not row.job_id:
        return f"{row.log or 'no log yet'} · another attempt than that of now" if row.log else "not known of that time"
    job = f"job {row.job_id} {row.job_state}".rstrip() if row.job_id else "no job"
    endpoint = f"http://{row.address}:{row.port}" if row.address else f"port {row.port}"
    return f"{row.log or 'no log yet'} · {endpoint} · {job} ({row.job})"
