# shellcheck shell=bash
# The machines: booting them, pulling their plugs, getting inside; sourced after settings.sh.

pid_of() { # MACHINE: its PID 1, as the host numbers it
  local pid
  if pid=$(cat "$LAB/run/$1.pid" 2>/dev/null) && ours "$pid"; then echo "$pid"; else
    echo "lab: $1 is off, or no machine of this lab" >&2
    return 1
  fi
}

known() { # MACHINE: fails the script for a name that is none
  local names
  names=$(machines | xargs)
  [[ " $names " == *" $1 "* ]] || fail "no such machine: $1 ($names)"
}

is_up() { pid_of "$1" >/dev/null 2>&1; }
is_ready() { [ -e "$LAB/run/$1.ready" ]; }

entry() { # MACHINE: sets `enter`, the words before a command that run it inside as root, with a clean environment
  local pid
  pid=$(pid_of "$1") || return 1
  enter=(nsenter --target "$pid" --net --mount --uts --ipc --pid -- env --ignore-environment
    "PATH=$MACHINE_PATH" HOME=/root LANG=C.UTF-8)
}

inside() { # MACHINE COMMAND...
  local enter
  entry "$1" || return 1
  shift
  "${enter[@]}" "$@"
}

boot() { # MACHINE: starts it; `plug_in` and `is_ready` follow. "switch" is a machine too: it holds the bridge
  rm -f "$LAB/run/$1.ready" "$LAB/run/$1.pid"
  setsid unshare --net --mount --uts --ipc --pid --fork --kill-child \
    env --ignore-environment "PATH=$MACHINE_PATH" LANG=C.UTF-8 \
    bash "$SOURCE/lib/machine.sh" "$1" "$REPO" "$LAB" </dev/null >"$LAB/log/$1.log" 2>&1 &
}

plug_in() { # MACHINE: a new cable from its eth0 to the bridge
  local pid switch
  wait_until 30 "the start of $1" is_up "$1"
  pid=$(pid_of "$1") switch=$(pid_of switch)
  ip link add "v-$1" netns "$switch" type veth peer name eth0 netns "$pid"
  nsenter --target "$switch" --net ip link set "v-$1" master br0 up
  nsenter --target "$pid" --net ip -batch - <<COMMANDS
address add $(address "$1")/24 dev eth0
link set eth0 up
COMMANDS
}

cable() { # MACHINE up|down
  nsenter --target "$(pid_of switch)" --net ip link set "v-$1" "$2"
}

power_off() { # MACHINE: as if its plug were pulled: all that runs on it dies at once
  local pid parent
  is_up "$1" || return 0
  pid=$(pid_of "$1")
  parent=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status")
  kill -KILL "$pid"
  wait_until 30 "the end of all processes of $1" gone "$parent" # unshare ends when its whole pid namespace has
  rm -f "$LAB/run/$1.pid" "$LAB/run/$1.ready"
  nsenter --target "$(pid_of switch)" --net ip link delete "v-$1" 2>/dev/null || true # may have gone with eth0
}
