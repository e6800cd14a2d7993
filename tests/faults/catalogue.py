"""Every fault that is made on purpose: what is done, what is expected, and where that is proved.

Proofs are tests that the suite runs anyway, by their pytest ids (without the parameters: all of them), and functions of
`tests.faults.long`, which take minutes and run only by `scripts/faults`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import long

Long = Callable[[Path], long.Figures]


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry."""

    id: str
    done: str
    expected: str
    proofs: tuple[str, ...]
    longer: Long | None = None
    """Its long form."""


_LAB = "tests/test_faults.py::"
_SQUEUE = "tests/faults/test_squeue.py::test_an_answer_that_is_none_ends_no_job"
_BESIDE = "tests/faults/test_squeue.py::test_an_odd_job_beside_ours_hides_none_of_ours"
_TERMINAL = "tests/faults/test_terminal.py::"
_SSH = "tests/remote/test_shell.py::"
_AGENT = "tests/node/test_agent.py::"
_DRIVER = "tests/evaluation/test_driver.py::"
_PROBE = "tests/remote/test_vllm.py::"
_STORM = (
    "tests/faults/test_storms.py::test_replicas_that_die_and_a_user_simulator_that_refuses_and_goes_change_no_result"
)

FAULTS = (
    # The scheduler.
    Fault(
        "squeue-no-answer",
        "squeue fails, hangs, or prints nothing, a header, half a line, other columns, JSON, garbage or its version",
        "jobs stay known, stale with the reason or forgotten; none has ended, nothing is derived",
        (_SQUEUE, "tests/test_cluster.py::test_a_scheduler_that_is_silent_is_not_an_empty_queue"),
    ),
    Fault(
        "squeue-names",
        "jobs of others with `|`, newlines, 500 emoji, array ranges `[3-11%2]`, nodes that do not resolve",
        "they are passed over, ours are all there",
        (_BESIDE, "tests/remote/test_slurm.py::test_every_row_comes_back_as_it_was_whatever_stands_between"),
    ),
    Fault(
        "job-completing",
        "a job is in `CG` for an hour",
        "it has not ended, and counts as one that may live",
        ("tests/faults/test_squeue.py::test_a_job_that_completes_for_an_hour_has_not_ended",),
    ),
    Fault(
        "sacct-disabled",
        "the accounting is disabled, and the controller has forgotten a job",
        "gone, and nobody says how it ended: not failed",
        ("tests/remote/test_slurm.py::test_without_accounting_nobody_says_how_a_job_ended_that_is_not_shown", _SQUEUE),
    ),
    Fault(
        "other-jobs",
        "an array and a heterogeneous job of the same user run beside the fleet",
        "neither shown nor touched; their GPU processes are not stale",
        (_LAB + "test_jobs_of_the_same_user_that_are_not_ours_are_neither_shown_nor_touched",),
    ),
    Fault(
        "slurmctld-killed",
        "slurmctld dies and comes back",
        "every replica stays ready, no state is made up for the jobs, squeue's answer is believed again",
        (_LAB + "test_a_controller_that_dies_and_comes_back_ends_nothing",),
    ),
    Fault(
        "slurmctld-frozen",
        "slurmctld freezes while jobs are submitted and cancelled",
        "each submission and each cancelling happens once: it is looked up, never repeated blindly",
        ("tests/test_hand_over.py::test_a_submission_and_a_cancelling_that_time_out_happen_once",),
    ),
    Fault(
        "slurmctld-down-long",
        "slurmctld is down for ten minutes",
        "one notice that the source is down, and none of an end",
        (
            "tests/core/test_notices.py::test_a_controller_that_is_down_for_ten_minutes_is_one_notice_and_no_end_of_a_job",
        ),
    ),
    Fault(
        "slurmd-lost",
        "slurmd of a node is killed; the node is unplugged from the network",
        "it goes on serving and is told to do so, though SLURM requeues its job; the others are untouched",
        (_LAB + "test_a_node_that_slurm_loses_sight_of_goes_on_serving_and_is_told_so",),
    ),
    Fault(
        "requeue",
        "a node loses power, and its job is requeued with the same id",
        "unknown, then queued; never failed, never ended; a restart of it is refused",
        (_LAB + "test_a_node_that_loses_power_is_unknown_until_slurm_says_more_and_the_others_go_on",),
    ),
    Fault(
        "time-limit",
        "the time limit of a job is reached",
        "servers are drained before it, and the job ends COMPLETED",
        (_LAB + "test_before_the_time_limit_every_server_is_drained_and_the_job_ends_well",),
    ),
    Fault(
        "scancel-outside",
        "somebody cancels the job by scancel",
        "the agent ends every server in good order",
        (_AGENT + "test_the_end_of_the_job_ends_every_replica_in_good_order",),
    ),
    # Logins and files.
    Fault(
        "ssh-one-time-password",
        "the login node asks for a one-time password",
        "the terminal or a sheet asks, once for all readers; without a terminal one line, and no wait",
        (
            "tests/faults/test_ssh.py::test_a_login_that_asks_where_nobody_can_answer_is_one_line_and_does_not_wait",
            "tests/remote/test_login.py::test_openssh_with_a_key_and_a_one_time_password_of_pam",
            "tests/remote/test_login.py::test_a_word_asks_on_the_terminal",
            "tests/tui/test_login.py::test_a_sheet_shows_what_is_asked_and_hides_what_is_typed",
        ),
    ),
    Fault(
        "ssh-host-key",
        "the host key is not the one that is known",
        "refused, with what to do",
        (_SSH + "test_an_unknown_host_key_is_refused_with_what_to_do",),
    ),
    Fault(
        "ssh-nodes-refuse",
        "compute nodes forbid logins (pam_slurm_adopt)",
        "they are reached by a step of the job",
        ("tests/test_hygiene.py::test_nodes_that_forbid_logins_are_reached_by_slurm",),
    ),
    Fault(
        "ssh-greeting",
        "start-up files of the login print on its standard output",
        "what stands before the answer is passed over",
        ("tests/faults/test_ssh.py::test_what_a_login_prints_before_the_answer_is_passed_over",),
    ),
    Fault(
        "ssh-lost",
        "the connection is lost; the login node hangs up before its banner",
        "unreachable, with its name; the connection is opened again by the next command",
        (
            _SSH + "test_a_lost_connection_is_unreachable_and_then_opened_again",
            "tests/faults/test_ssh.py::test_a_login_node_that_hangs_up_before_its_banner_is_named",
        ),
    ),
    Fault(
        "nfs-stall",
        "the file system does not answer: a command hangs, a log cannot be written",
        "unreachable within the time limit, what the command started is ended; no call of a model waits for it",
        (
            _SSH + "test_a_command_that_hangs_is_unreachable",
            _SSH + "test_what_a_hanging_command_started_is_ended_with_it",
            "tests/evaluation/test_logwriter.py::test_nobody_waits_for_a_disk_that_does_not_answer",
        ),
    ),
    Fault(
        "run-directory-full",
        "the file system of the run directory is full",
        "no server goes down; silence is told as such and as no end; all is heard again when there is room",
        (_LAB + "test_a_run_directory_without_room_takes_no_server_down_and_is_not_taken_for_an_end",),
    ),
    Fault(
        "run-directory-gone",
        "the run directory vanishes and comes back",
        "no server goes down",
        (_AGENT + "test_a_run_directory_that_vanishes_takes_no_server_down",),
    ),
    Fault(
        "disk-full-logging",
        "the disk is full while the evaluation logs",
        "lines wait for room, a cut line is completed, what is too much is counted",
        (
            "tests/evaluation/test_logwriter.py::test_lines_wait_for_room_on_a_full_disk_and_what_is_too_many_is_counted",
            "tests/evaluation/test_logwriter.py::test_a_line_that_was_cut_by_a_full_disk_is_completed_when_there_is_room",
        ),
    ),
    Fault(
        "log-rotated",
        "logs are rotated, truncated, replaced, removed and overwritten while they are followed",
        "nothing is read twice or lost; the screen says what happened; copies become the same",
        (
            "tests/tui/test_log_tail.py::test_a_truncated_log_is_read_anew_and_that_is_said",
            "tests/tui/test_log_tail.py::test_a_log_that_was_replaced_by_a_longer_one_is_known_by_what_is_not_there_any_more",
            "tests/tui/test_log_tail.py::test_a_log_that_vanishes_raises_and_one_that_comes_back_is_read_on",
            "tests/remote/test_logcopies.py::test_whatever_happens_to_the_logs_the_copies_become_the_same",
        ),
    ),
    Fault(
        "clock-stepped",
        "the clock is set two hours forwards and backwards",
        "no start is late, no simulation is given up or stalled, durations are those that passed",
        (
            "tests/node/test_requests.py::test_a_clock_that_is_set_ends_no_wait_and_begins_none",
            "tests/faults/test_storms.py::test_a_clock_that_is_set_two_hours_to_and_fro_gives_up_no_simulation",
        ),
    ),
    # Servers and nodes.
    Fault(
        "gpu-dirty",
        "orphans, live children, processes of others and recycled pids hold GPUs",
        "exactly the orphans are ended, everything else is named with its reason; a start cleans its own GPUs",
        (
            "tests/test_hygiene.py::test_exactly_the_orphans_are_ended_and_everything_else_is_named_with_its_reason",
            "tests/test_hygiene.py::test_a_replica_starts_on_a_gpu_that_it_cleaned_and_not_on_one_that_another_holds",
            "tests/node/test_hygiene.py::test_a_process_that_even_kill_does_not_end_is_named_with_its_state",
        ),
    ),
    Fault(
        "start-fails",
        "a port is taken, a start hangs, a server serves another model",
        "each replica says its own reason; what is not ours is left alone",
        (_LAB + "test_each_replica_that_does_not_become_ready_says_its_own_reason",),
    ),
    Fault(
        "port-shared",
        "two servers share one port (SO_REUSEPORT)",
        "never ready",
        (_AGENT + "test_a_port_that_two_servers_share_is_never_ready",),
    ),
    Fault(
        "endpoint",
        "an endpoint refuses, accepts and says nothing, hangs up, answers nothing, 500, 503, a redirect, another model",
        "each way to fail is told, level by level, and in time",
        (_PROBE + "test_each_way_to_fail_is_told", _AGENT + "test_a_server_that_serves_another_model_is_never_ready"),
    ),
    Fault(
        "endpoint-tls",
        "TLS where HTTP is expected, and the other way round",
        "named",
        (_PROBE + "test_tls_is_spoken_where_it_is_and_named_where_it_is_not",),
    ),
    Fault(
        "metrics-huge",
        "megabytes of metrics, dripped metrics, metrics with bounds that are no numbers",
        "read up to a limit and given up in time; no figure is made up, and no agent ends",
        (
            "tests/node/test_meter.py::test_a_huge_text_is_read_up_to_its_limit",
            "tests/node/test_meter.py::test_a_server_that_drips_its_answer_is_given_up_in_time",
            "tests/fuzz/test_fuzz.py::test_what_once_broke_a_reader_is_read",
        ),
    ),
    Fault(
        "agent-killed",
        "kill -9 of a node agent",
        "its servers go on; the next agent takes them over, and ends what is left of dead ones",
        (
            _LAB + "test_an_agent_that_is_killed_loses_no_server",
            _AGENT + "test_what_a_server_left_behind_while_no_agent_watched_is_ended_by_the_next",
        ),
    ),
    Fault(
        "vllm-killed",
        "kill -9 of the API server or of the engine of a real vLLM; TERM while its engine starts",
        "failed with the reason, orphans ended, back by one request; stopped all the same",
        (
            "tests/vllm/test_vllm.py::"
            "test_a_killed_server_fails_its_orphan_is_ended_and_it_comes_back_with_a_changed_setting",
            "tests/vllm/test_vllm.py::test_a_killed_engine_is_a_failure_though_its_server_ends_with_status_0",
            "tests/vllm/test_vllm.py::test_a_server_that_swallows_term_while_its_engine_starts_is_stopped_all_the_same",
        ),
    ),
    # The evaluation.
    Fault(
        "replicas-killed",
        "every replica is killed at random moments while an evaluation goes on",
        "results are those of an undisturbed run, each unit exactly once",
        (_STORM,),
        long.ten_minutes_of_kills_and_refusals,
    ),
    Fault(
        "user-simulator",
        "the only server of the user simulator answers 429 to most requests, dies and comes back",
        "calls are tried again; results are those of an undisturbed run",
        (_STORM, "tests/evaluation/test_calls.py::test_an_outside_model_is_tried_again_as_well"),
    ),
    Fault(
        "hang-mid-stream",
        "a server sends half an answer, and then nothing",
        "given up while there is time for another replica, which answers",
        (
            "tests/evaluation/test_calls.py::test_a_stream_that_falls_silent_in_its_middle_is_given_up_for_another_replica",
        ),
    ),
    Fault(
        "stream-cut",
        "a stream breaks off, or ends with an error in it",
        "no answer; asked again",
        (
            "tests/evaluation/test_client.py::test_a_stream_that_breaks_off_is_no_answer",
            "tests/evaluation/test_client.py::test_an_error_inside_a_stream_is_an_error",
        ),
    ),
    Fault(
        "endpoint-errors",
        "5 % of all requests fail in five ways, and servers are killed",
        "full rewards, each unit exactly once",
        (
            "tests/rehearsal/test_faults.py::"
            "test_errors_and_killed_servers_change_no_reward_and_every_unit_is_run_exactly_once",
        ),
    ),
    Fault(
        "unit-hangs",
        "all servers of a model hang",
        "the stalled simulation is named, can be skipped, and is run again",
        (_DRIVER + "test_a_stuck_unit_is_named_and_can_be_skipped_and_is_run_again",),
    ),
    Fault(
        "driver-killed",
        "kill -9 of the driver at random moments",
        "results are those of an undisturbed run, each unit exactly once, no torn log line",
        ("tests/evaluation/test_kills.py::test_whenever_it_is_killed_nothing_is_lost_changed_doubled_or_torn",),
        long.a_hundred_kills_of_the_driver,
    ),
    Fault(
        "relaunch-while-evaluating",
        "a replica is killed on the cluster during the evaluation and relaunched",
        "the evaluation goes on, and no unit is lost",
        (
            "tests/test_cluster.py::"
            "test_a_replica_that_is_killed_during_the_evaluation_is_relaunched_and_no_unit_is_lost",
        ),
    ),
    # The screen and the words.
    Fault(
        "launch-killed",
        "kill -9 of a launch",
        "nothing is lost",
        ("tests/test_hand_over.py::test_a_launch_that_is_killed_loses_nothing",),
    ),
    Fault(
        "screen-killed",
        "kill -9 of the screen",
        "the shell goes on, the fleet too, and the next screen shows the same",
        (
            _LAB + "test_a_screen_that_is_killed_loses_nothing_and_the_next_one_shows_the_same",
            "tests/test_tmux.py::test_a_kill_ends_it_at_once_and_the_shell_goes_on",
        ),
    ),
    Fault(
        "screen-signals",
        "SIGTERM; SIGHUP, as of a cut SSH connection or a closed terminal; a terminal that goes away without a signal; "
        "stopped by the shell and continued",
        "it ends at once and touches nothing; it goes on where it was",
        (
            _TERMINAL + "test_a_signal_to_end_ends_it_and_nothing_else",
            _TERMINAL + "test_a_terminal_that_goes_away_without_a_signal_ends_it_too",
            _TERMINAL + "test_it_is_stopped_by_the_shell_and_goes_on",
            "tests/test_screen.py::test_a_terminal_that_goes_away_leaves_nothing_running",
        ),
    ),
    Fault(
        "tmux-clients",
        "clients detach, and two of different sizes are attached",
        "it goes on in the size of whoever types",
        ("tests/test_tmux.py::test_clients_of_other_sizes_come_and_go_and_the_app_goes_on",),
    ),
    Fault(
        "sizes",
        "a storm of sizes from 1×1 to 500×200; 20×5; 1×1 from the start",
        "everything is back when there is room, and it can always be left",
        (
            _TERMINAL + "test_a_storm_of_sizes_down_to_one_column_ends_nothing",
            _TERMINAL + "test_a_terminal_of_a_few_cells_can_be_left",
            "tests/test_tmux.py::test_a_terminal_that_becomes_too_small_says_so_and_everything_is_back_when_it_grows",
        ),
    ),
    Fault(
        "terminal-kinds",
        "TERM is screen, dumb, vt100, unknown or empty; the locale is C",
        "the fleet is shown and keys are heard",
        (
            _TERMINAL + "test_whatever_the_terminal_calls_itself_the_fleet_is_shown",
            _TERMINAL + "test_without_utf_8_the_fleet_is_shown",
        ),
    ),
    Fault(
        "no-terminal",
        "standard input is a file, or closed",
        "one line",
        (_TERMINAL + "test_without_a_terminal_one_line_says_so",),
    ),
    Fault(
        "hostile-text",
        "markup, escape sequences and control characters in names, states, logs and reports",
        "shown literally; nothing acts on the terminal",
        (
            "tests/tui/widgets/test_keyed_table.py::test_markup_and_control_characters_are_shown_literally",
            "tests/test_cli.py::test_nothing_from_a_run_acts_on_the_terminal_that_shows_it",
            "tests/tui/test_log_lines.py::test_colours_titles_nuls_and_bad_utf_8_do_not_reach_the_screen",
        ),
    ),
    # Two operators.
    Fault(
        "two-operators",
        "two operators on two machines launch, restart, stop and submit the same at the same moment",
        "no job twice, one new attempt, every request answered, and who comes second is told",
        (
            "tests/test_two_operators.py::test_two_operators_launch_restart_and_stop_the_same_at_once",
            "tests/node/test_requests.py::test_of_two_who_restart_the_same_attempt_one_is_obeyed_and_both_are_answered",
            "tests/node/test_requests.py::test_who_stops_is_told_when_another_restarts_and_the_other_way_round",
        ),
    ),
    Fault(
        "operator-killed",
        "an operator is killed, or loses the connection, while they submit jobs",
        "overcome at once on the same machine, within a minute from elsewhere, by exactly one",
        (
            "tests/remote/test_claims.py::test_a_killed_operator_of_this_machine_is_overcome_at_once",
            "tests/remote/test_claims.py::test_a_silent_holder_is_overcome_by_exactly_one_and_is_told_when_it_wakes",
        ),
    ),
    Fault(
        "no-file-locks",
        "locks of files hold on one machine alone, as on some NFS",
        "claims are directories; endpoints that another agent wrote over come back; a second driver is refused",
        (
            "tests/remote/test_claims.py::test_of_many_who_try_at_once_exactly_one_has_it",
            "tests/node/test_requests.py::test_what_another_agent_wrote_over_is_registered_again",
            "tests/evaluation/test_main.py::test_a_driver_on_another_machine_counts_while_it_shows_signs_of_life",
        ),
    ),
)
