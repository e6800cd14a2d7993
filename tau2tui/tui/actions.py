"""Every act of the screens: its id, keys, words and place.

Bindings, help, menu, palette, `:` commands and docs/keys.md are made of this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType
from textual.keys import format_key

from tau2tui.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done, in the group of the screen or widget that does it."""

    id: str
    """What config.toml remaps, and what `:` takes."""
    keys: str
    """Textual's names of keys, with commas; empty: only by `:`, the palette or the menu."""
    does: str
    """The method `action_<does>`, with its arguments."""
    name: str
    about: str
    shown: bool = False
    """Whether the line at the bottom names it."""
    word: str = ""
    """The word of the command line that does the same."""
    changes: bool = False
    """Whether it changes something outside the screen: refused while the app is read-only."""
    takes: str = ""
    """What `:` wants behind it, which becomes the method's only argument."""
    key_display: str | None = None
    priority: bool = False
    shown_then: bool = False
    """Whether the line at the bottom names it while the fleet is shown as of another moment."""
    moves: bool = False
    """Only moves the cursor or what is in sight: nothing for a menu."""

    def binding(self) -> Binding:
        """As Textual knows it."""
        return Binding(
            self.keys,
            self.does,
            self.name,
            show=self.shown,
            key_display=self.key_display,
            priority=self.priority,
            tooltip=self.about,
            id=self.id,
        )


def _moving(what: str, prefix: str, *, up: str, down: str) -> tuple[Action, ...]:
    return (
        Action(f"{prefix}.down", "j,down", down, "Down", f"One {what} down", moves=True),
        Action(f"{prefix}.up", "k,up", up, "Up", f"One {what} up", moves=True),
        Action(f"{prefix}.page-down", "ctrl+d,pagedown", "page_down", "Page down", "One page down", moves=True),
        Action(f"{prefix}.page-up", "ctrl+u,pageup", "page_up", "Page up", "One page up", moves=True),
    )


ACTIONS: Mapping[str, tuple[Action, ...]] = {
    "Everywhere": (
        Action("app.help", "question_mark", "help", "Help", "The keys that apply here", shown=True),
        Action("app.command", "colon", "command", "Command", "Type a command; Tab completes it", shown=True),
        Action("app.palette", "ctrl+p", "command_palette", "Palette", "Look for an act by its name"),
        Action("app.menu", "x", "menu", "Menu", "All that can be done here, as a list"),
        Action("app.inbox", "I", "inbox", "Inbox", "What happened since this was opened"),
        Action("app.zoom", "z", "zoom", "Zoom", "All the room for the table, or the details again"),
        Action("app.plain", "ctrl+l", "plain", "Plain screen", "The screen as plain lines, to select with the mouse"),
        Action("app.screenshot", "ctrl+s", "save_screenshot", "Screenshot", "Save the screen as a picture (SVG)"),
        Action("app.theme", "", "wear", "Theme", "dark, light, high-contrast, colour-blind or mono", takes="NAME"),
        Action("app.ascii", "", "ascii", "ASCII", "Draw with ASCII alone, or with all glyphs again"),
        Action("app.reader", "", "reader", "Reader", "One pane of plain lines, for screen readers, or all panes again"),
        Action("app.goto", "", "goto", "Go to", "Put the cursor on the row of that name", takes="NAME"),
        Action("app.at", "", "at", "As of", "The fleet as it was sampled then: 03:10, 30m", takes="TIME"),
        Action(
            "app.now", "full_stop", "to_now", "Now", "The fleet as it is now again", key_display=".", shown_then=True
        ),
        Action("app.back", "minus", "last_view", "Last screen", "Back to the screen that was open before"),
        Action("app.refresh", "r,ctrl+r", "look", "Refresh", "Look again now"),
        Action("app.read-only", "", "read_only", "Read-only", "Refuse, or allow again, all that changes something"),
        Action("app.quit", "q", "quit", "Quit", "Close; jobs and evaluation live on", shown=True),
        Action("app.close", "ctrl+c", "interrupt", "Close", "Twice: at once", priority=True),
    ),
    "Rows": (
        *_moving("row", "table", up="cursor_up", down="cursor_down"),
        Action("table.first", "g,home", "scroll_top", "First", "To the first row", moves=True),
        Action("table.last", "G,end", "scroll_bottom", "Last", "To the last row", moves=True),
        Action("table.open", "enter", "select_cursor", "Open", "Open what the row stands for"),
        Action("table.mark", "space", "mark", "Mark", "Mark the row, or take its mark away"),
        Action("table.mark-range", "V", "mark_range", "Mark to here", "Mark all rows from the last mark to here"),
        Action("table.mark-all", "asterisk", "mark_all", "Mark all", "Mark all rows that are shown"),
        Action("table.unmark", "u", "unmark", "Unmark", "Take all marks away"),
        Action("table.sort", "o", "sort_next", "Sort", "Sort by the next column; a click on a title does it too"),
        Action("table.reverse", "O", "sort_reverse", "Reverse", "Sort the other way round"),
        Action(
            "table.sort-by", "", "sort_by", "Sort by", "Sort by a column; no column: the usual order", takes="COLUMN"
        ),
        Action(
            "table.filter",
            "slash",
            "filter",
            "Filter",
            "Show only rows that match; Enter keeps, Esc clears",
            shown=True,
        ),
        Action("table.filter-by", "", "filter_by", "Filter by", "Show only rows that match", takes="FILTER"),
        Action("table.faults", "exclamation_mark", "faults", "Faults", "Only rows that need attention, or all again"),
        Action("table.clear", "escape", "clear_filter", "All rows", "Show all rows again"),
        Action("table.copy", "y", "copy_key", "Copy name", "Copy the name of the row"),
        Action("table.copy-row", "Y", "copy_row", "Copy row", "Copy the whole row, or the marked ones"),
        Action("table.copy-is-y", "c", "hint_copy", "?", "Says which keys copy and stop"),
    ),
    "Fleet": (
        Action("replica.detail", "d", "detail", "Detail", "Everything about it, in full; Enter too", True),
        Action("replica.log", "l", "open_log", "Log", "Open its current log", True),
        Action("replica.relaunch", "R", "relaunch", "Relaunch", "Start it again in its job", True, "relaunch", True),
        Action(
            "replica.prove",
            "p",
            "prove",
            "Prove",
            "Ask it, or the marked ones, for a real completion now",
            word="endpoint",
        ),
        Action("replica.stop", "K", "stop", "Stop", "Stop it, or the marked ones; asks first", True, "stop", True),
        Action("replica.node-shell", "s", "node_shell", "Shell there", "A window of tmux with SSH to its node"),
        Action("replica.job-shell", "S", "job_shell", "Shell in the job", "The same as a step in its job (srun)"),
        Action("replica.job", "J", "jump", "Its job", "Go to the job that it runs in"),
        Action("replica.uses", "U", "uses", "Who uses it", "Go to the simulations that wait for it"),
        Action(
            "fleet.earlier",
            "less_than_sign",
            "step(-1)",
            "Earlier",
            "As of its sample before",
            word="history",
            shown_then=True,
        ),
        Action(
            "fleet.later", "greater_than_sign", "step(1)", "Later", "As of its next sample, up to now", shown_then=True
        ),
        Action(
            "fleet.much-earlier",
            "left_parenthesis",
            "shift(-1)",
            "10 min earlier",
            "As of ten minutes before",
            key_display="(",
        ),
        Action(
            "fleet.much-later",
            "right_parenthesis",
            "shift(1)",
            "10 min later",
            "As of ten minutes after, up to now",
            key_display=")",
        ),
        Action(
            "fleet.relaunch-failed",
            "",
            "relaunch_failed",
            "Relaunch failed",
            "All that failed",
            False,
            "relaunch",
            True,
        ),
        Action(
            "fleet.hand-over",
            "",
            "hand_over",
            "Hand over",
            "All jobs, to successors elsewhere",
            False,
            "relaunch",
            True,
        ),
        Action("fleet.launch", "", "launch", "Launch", "Submit the whole fleet", False, "launch", True),
        Action(
            "fleet.stop-all", "", "stop_all", "Stop everything", "Evaluation and fleet; asks first", False, "stop", True
        ),
    ),
    "Jobs": (
        Action("job.detail", "d", "detail", "Detail", "Everything about it, in full; Enter too", True),
        Action("job.log", "l", "open_log", "Output", "Open what the job itself has said", True),
        Action(
            "job.relaunch", "R", "relaunch", "Submit again", "Stop it, submit it again, wait", True, "relaunch", True
        ),
        Action(
            "job.hand-over", "H", "hand_over", "Hand over", "A successor elsewhere takes over", True, "relaunch", True
        ),
        Action("job.stop", "K", "stop", "Stop", "Stop its replicas, then cancel it; asks first", True, "stop", True),
        Action("job.node-shell", "s", "node_shell", "Shell there", "A window of tmux with SSH to its node"),
        Action("job.shell", "S", "job_shell", "Shell in it", "The same as a step in the job (srun)"),
        Action("job.node", "J", "jump", "Its GPUs", "Go to the GPUs of its node"),
        Action("job.replicas", "U", "replicas", "Its replicas", "Go to the replicas in it"),
    ),
    "GPUs": (
        Action("gpu.detail", "d", "detail", "Detail", "The whole row, in full; Enter too", True),
        Action(
            "gpu.clean", "K", "clean", "Clean", "End what is stale on the chosen nodes; asks first", True, "clean", True
        ),
        Action("gpu.clean-all", "", "clean_all", "Clean all", "End what is stale on all nodes", False, "clean", True),
        Action("gpu.look", "r", "look", "Ask again", "Ask the nodes now", True, "gpus"),
        Action("gpu.replica", "J", "jump", "Its replica", "Go to the replica whose process it is"),
    ),
    "Sources": (
        Action("source.pause", "P", "pause", "Pause", "Ask nothing by itself, or go on", True),
        Action("source.detail", "d", "detail", "Detail", "The whole row, in full; Enter too", True),
    ),
    "Evaluation": (
        Action("eval.start", "s", "start", "Start", "What finished before is not run again", True, "eval", True),
        Action("eval.pause", "p", "pause", "Pause/resume", "Start no more simulations, or go on", True, "eval", True),
        Action(
            "eval.more", "plus,equals_sign", "concurrency(1)", "More", "One simulation more at once", True, "eval", True
        ),
        Action(
            "eval.fewer", "underscore", "concurrency(-1)", "Fewer", "One simulation fewer at once", True, "eval", True
        ),
        Action("eval.concurrency", "", "at_once", "Concurrency", "So many at once", False, "eval", True, takes="N"),
        Action("eval.finish", "F", "steer('finish')", "Finish", "Stop when what runs has ended", False, "eval", True),
        Action("eval.stop", "K", "steer('stop')", "Stop", "Stop the evaluation; asks first", True, "eval", True),
        Action("eval.skip", "X", "skip", "Skip", "Give up this simulation, or the marked; asks", False, "eval", True),
        Action("eval.smoke", "t", "smoke", "Smoke test", "Try everything on a few tasks first", False, "smoke", True),
        Action(
            "eval.budget-usd", "", "budget_usd", "Budget", "Pause at so many dollars", False, "eval", True, takes="USD"
        ),
        Action(
            "eval.budget-tokens", "", "budget_tokens", "Budget", "Pause at so many", False, "eval", True, takes="TOKENS"
        ),
        Action("eval.detail", "d", "detail", "Detail", "Everything about a simulation; Enter too"),
        Action("eval.replica", "J", "jump", "Its replica", "Go to the replica that it waits for"),
    ),
    "Latency": (
        Action("latency.previous", "left_square_bracket", "series(-1)", "Previous", "The series above"),
        Action("latency.next", "right_square_bracket", "series(1)", "Next", "The series below"),
        Action(
            "latency.picture",
            "h",
            "picture",
            "Picture",
            "The next of histogram, CDF and heat-map over time, or the one that is named",
            True,
            takes="PICTURE",
        ),
        Action(
            "latency.metric",
            "m",
            "metric",
            "Metric",
            "Total, prefill (TTFT), decode or queue time",
            True,
            takes="METRIC",
        ),
        Action(
            "latency.domain", "d", "domain", "Domain", "The next domain, the one named, or all", True, takes="DOMAIN"
        ),
        Action(
            "latency.window",
            "w",
            "window",
            "Window",
            "The last 5, 15 or 60 minutes, the whole run, or from–to: 15m, 03:10 04:00, all",
            True,
            takes="WINDOW",
        ),
        Action("latency.bins", "b", "bins", "Bins", "More, narrower bars, or so many", takes="N"),
        Action("latency.fewer-bins", "B", "fewer_bins", "Fewer bins", "Fewer bars"),
        Action("latency.log-axis", "L", "log_axis", "Log axis", "Logarithmic axis on or off"),
        Action("latency.zoom-in", "plus,equals_sign", "zoom_in", "Zoom in", "Half of the axis of latencies"),
        Action("latency.zoom-out", "underscore", "zoom_out", "Zoom out", "Twice as much of it, up to all"),
        Action("latency.slower", "greater_than_sign", "shift(1)", "Slower", "A zoomed axis to the right"),
        Action("latency.faster", "less_than_sign", "shift(-1)", "Faster", "A zoomed axis to the left"),
        Action(
            "latency.zoom",
            "backspace",
            "zoom",
            "Whole axis",
            "From LOW to HIGH: 500ms 3s; or the whole axis again",
            takes="LOW HIGH",
        ),
        Action("latency.sla", "", "sla", "SLA", "Count the calls below another threshold: 3s", takes="LATENCY"),
        Action(
            "latency.with",
            "",
            "with",
            "Overlay",
            "A second series over the first; or none. Two marked rows do it too",
            takes="SERIES",
        ),
        Action(
            "latency.compare-with",
            "",
            "compare_with",
            "Other run",
            "Another run's calls over this one's; or none",
            takes="RUN|PATH",
        ),
        Action(
            "latency.export",
            "E",
            "export",
            "Export",
            "Into a file: .png, .svg, .csv or .json",
            True,
            takes="PATH",
        ),
    ),
    "Reports": (
        Action("reports.new", "n", "new_report", "New report", "Write a report of this run now", True, "report", True),
        Action(
            "reports.compare",
            "v,equals_sign",
            "compare",
            "Compare",
            "Two marked runs: which is better, which is faster, how sure that is",
            True,
            "compare",
        ),
        Action("reports.refresh", "r,ctrl+r", "look", "Refresh", "Look for reports again"),
        Action("reports.list", "escape,backspace", "list", "List", "Back to the list of reports"),
    ),
    "Report text": (
        *_moving("line", "report", up="scroll_up", down="scroll_down"),
        Action("report.left", "h,left", "scroll_left", "Left", "To the left"),
        Action("report.right", "l,right", "scroll_right", "Right", "To the right"),
        Action("report.top", "g,home", "scroll_home", "Top", "To the first line"),
        Action("report.end", "G,end", "scroll_end", "End", "To the last line"),
        Action("report.copy", "y", "copy_path", "Copy path", "Copy the path of what is shown"),
    ),
    "Logs": (
        Action("log.merge", "M", "merge", "Merge", "The marked logs as one, by time; else the expert's replicas"),
        Action("log.sibling-before", "left_square_bracket", "sibling(-1)", "Log before", "Same expert, log before"),
        Action("log.sibling", "right_square_bracket", "sibling(1)", "Next log", "The next log of the same expert"),
        Action("log.stream", "o", "other_stream", "out/err", "From a job's output to its errors, and back"),
        Action("log.window", "T", "window", "tmux", "Follow it in a tmux window of its own, with less"),
        Action("log.look", "r,ctrl+r", "look", "Refresh", "Look for new logs now"),
        Action("log.list", "escape,backspace", "list", "List", "Back: out of search, filters, log", True),
    ),
    "Log": (
        Action("log.follow", "f", "follow", "Follow", "Keep to the end of the log, or stop", True),
        Action("log.search", "slash", "ask('search')", "Search", "Words or /expression/, back to the beginning", True),
        Action("log.next", "n", "found(1)", "Next hit", "The next hit"),
        Action("log.previous", "N", "found(-1)", "Hit before", "The hit before"),
        Action("log.error", "e", "error(1)", "Error", "The next line that tells of an error", True),
        Action("log.error-before", "E", "error(-1)", "Error before", "The error before"),
        Action("log.include", "ampersand", "ask('include')", "Only", "Show only lines that hold something", True),
        Action("log.exclude", "exclamation_mark", "ask('exclude')", "Hide", "Hide lines that hold something", True),
        Action("log.fold", "F", "fold", "Fold", "Lines that repeat but for numbers as one, or all"),
        Action("log.wrap", "w", "wrap", "Wrap", "Wrap long lines, or cut them at the edge", True),
        Action("log.stamps", "t", "stamps", "Times", "Leave timestamps out, or show them again"),
        Action("log.bookmark", "m", "bookmark", "Bookmark", "Mark the line found, or the first in sight"),
        Action("log.bookmarked", "apostrophe", "bookmarked", "Next mark", "To the next bookmark"),
        Action("log.export", "", "export", "Export", "Write the lines that are shown to a new file", takes="PATH"),
    ),
    "Log text": (
        *_moving("line", "text", up="scroll_up", down="scroll_down"),
        Action("text.left", "h,left", "scroll_left", "Left", "To the left", moves=True),
        Action("text.right", "l,right", "scroll_right", "Right", "To the right", moves=True),
        Action("text.top", "g,home", "scroll_home", "Top", "To the beginning of the log", moves=True),
        Action("text.end", "G,end", "scroll_end", "End", "To the end, and follow again", True),
    ),
    "Filter": (Action("filter.clear", "escape", "clear", "All rows", "Show all rows again", True),),
    "Command": (
        Action("command.leave", "escape", "leave", "Leave", "Do nothing", True),
        Action("command.complete", "tab", "complete", "Complete", "Take the suggestion", True, priority=True),
    ),
    "Menu": (Action("menu.close", "escape,q,x", "dismiss", "Close", "Back to where you were", True),),
    "Login": (
        Action("login.decline", "escape", "decline", "No answer", "Go on without a connection; `r` asks again", True),
    ),
    "Review": (
        Action("review.no", "n,escape,q", "answer(False)", "No", "Change nothing", True),
        Action("review.yes", "y", "answer(True)", "Yes", "Do what the sheet says", True),
        Action("review.other", "left,right,h,l", "app.focus_next", "Other answer", "Go to the other answer"),
        *_moving("line", "review", up="scroll('up')", down="scroll('down')"),
    ),
    "Detail": (
        Action("detail.close", "escape,q,enter,d", "dismiss", "Close", "Back to where you were", True),
        Action("detail.copy", "y", "copy", "Copy", "Copy all of it", True),
        *_moving("line", "detail", up="scroll('up')", down="scroll('down')"),
    ),
    "Inbox": (Action("inbox.close", "escape,q,I", "dismiss", "Close", "Back to where you were", True),),
    "Results": (
        Action("results.close", "escape,q,enter", "dismiss", "Close", "Back to where you were", True),
        Action("results.copy", "y", "copy", "Copy", "Copy all lines", True),
        *_moving("line", "results", up="scroll('up')", down="scroll('down')"),
    ),
    "Help": (
        Action("help.close", "escape,q,question_mark", "dismiss", "Close", "Back to where you were", True),
        *_moving("line", "help", up="scroll('up')", down="scroll('down')"),
    ),
}
"""By the group that does them; the order is that of help and footer."""

BY_ID: Mapping[str, Action] = {action.id: action for group in ACTIONS.values() for action in group}


def key_names(keys: str) -> str:
    """Textual's names of keys as people read them: signs as they are typed, and all others by their names."""
    return " ".join(_key_name(key) for key in keys.split(",") if key)


def _key_name(key: str) -> str:
    sign = format_key(key)
    return sign if len(sign) == 1 and sign.isascii() else key  # arrows, too, are known by their names


def bindings(group: str) -> list[BindingType]:
    """The keys of a screen or widget."""
    return [action.binding() for action in ACTIONS[group] if action.keys]


def keymap(settings: Mapping[str, str]) -> dict[str, str]:
    """The keys that a configuration changes, checked. Raises ConfigError for an act that does not exist."""
    for name in settings:
        if name not in BY_ID:
            near = [known for known in BY_ID if known.split(".")[0] == name.split(".")[0]]
            raise ConfigError(f"keys: there is no act {name!r}", f"there are {', '.join(near or BY_ID)}")
    return dict(settings)


def call(action: Action, words: str) -> str:
    """An act as Textual runs it; what was typed behind it is a string, literally, whatever it holds."""
    return f"{action.does}({words!r})" if action.takes else action.does
