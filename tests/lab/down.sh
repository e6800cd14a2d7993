#!/bin/bash
# Takes the lab down: ends the processes that up.sh started, and with them every namespace, mount and link of theirs.
# usage: down.sh [--purge]     (--purge: the lab's files go, too)
# shellcheck source=lib/settings.sh
. "$(dirname "$0")/lib/settings.sh"

end_all() {
  local pid switch
  for pid in $(our_processes); do
    # unshare waits for its machine and ends after the last process in there: proof that all are gone
    case $(cat "/proc/$pid/comm" 2>/dev/null) in unshare | '') ;; *) kill -KILL "$pid" 2>/dev/null || true ;; esac
  done
  if switch=$(cat "$LAB/run/switch.pid" 2>/dev/null); then
    ip route delete unreachable "$NETWORK.0/24" metric "$switch" 2>/dev/null || true # up.sh may not have come so far
  fi
  rm -f "$LAB"/run/*
  if mountpoint -q "$LAB/small"; then umount --lazy "$LAB/small"; fi
}

none_left() { [ -z "$(our_processes)" ]; }

end_all
wait_until 10 "the end of the lab's processes" none_left
if [ "${1-}" = --purge ] && [ -d "$LAB" ]; then
  if [ -f "$LAB/settings" ]; then rm -rf "$LAB"; else rmdir "$LAB"; fi
fi
