# shellcheck shell=bash
# The daemons that can be broken one by one: slurmctld, slurmdbd, slurmd@NODE, sshgate; sourced after machines.sh.

locate() { # DAEMON: sets `machine` it runs on (empty: the host) and its `pid_file` there
  case $1 in
    slurmctld | slurmdbd) machine=ctl pid_file=/run/slurm/$1.pid ;;
    slurmd@*) machine=${1#slurmd@} pid_file=/run/slurm/slurmd.pid ;;
    sshgate) machine='' pid_file=$LAB/run/sshgate.pid ;;
    *) fail "no such daemon: $1 (slurmctld, slurmdbd, slurmd@NODE, sshgate)" ;;
  esac
}

daemon_kill() { # DAEMON OPTION: `kill OPTION` for its process
  local machine pid_file pid
  locate "$1"
  if [ "$machine" ]; then
    # shellcheck disable=SC2016 # expanded inside the machine
    inside "$machine" bash -c 'read -r pid <"$2" && kill "$1" "$pid"' - "$2" "$pid_file"
  else
    pid=$(cat "$pid_file") && ours "$pid" && kill "$2" "$pid"
  fi
}

has_ended() { ! daemon_kill "$1" -0; }

signal() { # SIGNAL DAEMON: and waits for the end that KILL and TERM bring
  daemon_kill "$2" "-$1"
  case $1 in KILL | TERM) wait_until 15 "the end of $2" has_ended "$2" ;; esac
}

answers() { # MACHINE PORT: whether something listens there
  inside "$1" bash -c ": </dev/tcp/$(address "$1")/$2"
}

start() { # DAEMON
  case $1 in
    slurmctld)
      inside ctl slurmctld </dev/null >>"$LAB/log/slurmctld.out" 2>&1
      wait_until 30 "slurmctld to listen" answers ctl 6817
      ;;
    slurmd@*) inside "${1#slurmd@}" slurmd </dev/null >>"$LAB/log/slurmd.out" 2>&1 ;;
    slurmdbd) inside ctl slurmdbd </dev/null >>"$LAB/log/slurmdbd.out" 2>&1 ;;
    sshgate) start_sshgate ;;
    *) locate "$1" ;;
  esac
}

start_sshgate() { # in place of any old one; sets SSH_PORT to the port it has
  if [ -e "$LAB/run/sshgate.pid" ]; then kill_and_wait "$(cat "$LAB/run/sshgate.pid")"; fi
  rm -f "$LAB/run/sshgate.port"
  setsid env --ignore-environment "PATH=$MACHINE_PATH" LANG=C.UTF-8 \
    /usr/bin/python3 "$SOURCE/lib/sshgate.py" "$SSH_PORT" "$LAB" </dev/null >>"$LAB/log/sshgate.log" 2>&1 &
  echo $! >"$LAB/run/sshgate.pid"
  wait_until 30 "sshgate to listen or to give up" sshgate_settled $!
  [ -s "$LAB/run/sshgate.port" ] || fail "$(tail -n 1 "$LAB/log/sshgate.log")"
  SSH_PORT=$(cat "$LAB/run/sshgate.port")
}

sshgate_settled() { # PID
  [ -s "$LAB/run/sshgate.port" ] || ! kill -0 "$1"
}

start_slurmds() { # on all compute nodes at once
  local node starting=()
  for node in $(compute_nodes); do
    start "slurmd@$node" &
    starting+=($!)
  done
  wait "${starting[@]}"
}

power_on() { # MACHINE: boots it with the daemons that belong there
  is_up "$1" && return
  boot "$1"
  plug_in "$1"
  wait_until 30 "the boot of $1" is_ready "$1"
  case $1 in
    ctl)
      if [ "$ACCOUNTING" = 1 ]; then start_accounting; fi
      start slurmctld
      ;;
    node*) start "slurmd@$1" ;;
    login) start sshgate ;;
  esac
}

mend() { # everything that `power` can break
  local name daemon daemons
  for name in $(machines); do
    if is_up "$name"; then cable "$name" up; else power_on "$name"; fi
  done
  mapfile -t daemons < <(printf '%s\n' slurmctld sshgate && compute_nodes | sed 's/^/slurmd@/')
  if [ "$ACCOUNTING" = 1 ]; then daemons=(slurmdbd "${daemons[@]}"); fi
  for daemon in "${daemons[@]}"; do
    if has_ended "$daemon" 2>/dev/null; then start "$daemon"; else signal CONT "$daemon"; fi
  done
}
