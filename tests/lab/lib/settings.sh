# shellcheck shell=bash
# The lab's settings, who its machines are, and which processes are its own; sourced by every script, never run.
set -euo pipefail
umask 022 # every user of the machines reads what is written here
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # an ordinary PATH has no slurmd, no sshd and no ip

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${LAB:=/var/lib/tau2tui-lab}"              # where it keeps its files; the machines see it at the same path
: "${REPO:=$(cd "$SOURCE/../.." && pwd)}"     # the checkout, read-only at /opt/tau2tui of every machine
: "${NODES:=3}"                               # compute nodes
: "${GPUS:=8}" "${CPUS:=32}" "${MEMORY_MIB:=512000}" # what each of them pretends to have
: "${SLURMD_TIMEOUT_S:=10}"                   # a node that is silent for so long is down
: "${SSH_PORT:=0}"                            # on 127.0.0.1 of the host; 0: any free port
: "${NODE_SSHD:=1}"                            # 0: the compute nodes run no sshd, as on clusters that forbid logins
: "${ACCOUNTING:=0}"                          # 1: with slurmdbd, so that sacct answers
: "${OWNER:=}"                                # pid of a process: the lab is removed when it ends

# shellcheck disable=SC2034 # used by the scripts that source this one
{
  LAB_USER=researcher LAB_UID=20000
  LAB_HOME=$LAB/home/$LAB_USER
  MACHINE_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  NETWORK=198.51.100 # TEST-NET-2 of RFC 5737: no real network has it
}

fail() {
  echo "lab: $*" >&2
  exit 1
}

case $LAB in
  /run/* | /tmp/* | /opt/* | /dev/* | /proc/*) fail "LAB=$LAB: every machine has a ${LAB%"${LAB#/*/}"} of its own" ;;
  *[!A-Za-z0-9/._-]*) fail "LAB=$LAB: only letters, digits and ._- please" ;;
  /*/*) ;;
  *) fail "LAB=$LAB: name an absolute path below a top-level directory" ;;
esac

save_settings() { # so that down.sh, on and power need nothing but LAB
  local name
  for name in REPO NODES GPUS CPUS MEMORY_MIB SLURMD_TIMEOUT_S SSH_PORT NODE_SSHD ACCOUNTING OWNER; do
    printf '%s=%q\n' "$name" "${!name}"
  done >"$LAB/settings"
}

load_settings() {
  [ -f "$LAB/settings" ] || fail "$LAB holds no lab (is it up? is LAB set?)"
  # shellcheck source=/dev/null
  . "$LAB/settings"
}

compute_nodes() { seq -f node%g "$NODES"; }
machines() { printf '%s\n' ctl login && compute_nodes; }

address() { # MACHINE
  case $1 in
    ctl) echo "$NETWORK.2" ;;
    login) echo "$NETWORK.3" ;;
    node*) echo "$NETWORK.$((10 + ${1#node}))" ;;
  esac
}

wait_until() { # SECONDS WHAT COMMAND...: until COMMAND succeeds; fails when it has not within SECONDS, and says WHAT
  local deadline=$((SECONDS + $1)) seconds=$1 what=$2
  shift 2
  until "$@" 2>/dev/null; do
    if ((SECONDS > deadline)); then
      echo "lab: waited ${seconds} s in vain for $what" >&2
      return 1
    fi
    sleep 0.02
  done
}

ours() { # PID: whether it is a living process of this lab: one of our scripts, with this LAB as its last argument
  local argv
  { mapfile -d '' -t argv <"/proc/$1/cmdline"; } 2>/dev/null || return 1
  ((${#argv[@]})) && [[ ${argv[-1]} == "$LAB" && " ${argv[*]} " == *"/tests/lab/lib/"* ]]
}

our_processes() { # their pids; looked up in /proc, so that a lab whose directory was lost can still be ended
  local directory
  for directory in /proc/[0-9]*; do
    if ours "${directory#/proc/}"; then echo "${directory#/proc/}"; fi
  done
}

gone() { ! ours "$1"; }

kill_and_wait() { # PID
  if ours "$1"; then kill -KILL "$1"; fi
  wait_until 10 "the end of process $1" gone "$1"
}
