#!/bin/bash
# Brings up a real SLURM cluster on this machine: ctl, login and node1..N, each in namespaces of its own.
# Needs root and the packages of scripts/debian-packages. Settings: variables, see lib/settings.sh.
# shellcheck source=lib/settings.sh
. "$(dirname "$0")/lib/settings.sh"
. "$SOURCE/lib/machines.sh"
. "$SOURCE/lib/daemons.sh"
. "$SOURCE/lib/accounting.sh"
. "$SOURCE/lib/files.sh"

started_us=${EPOCHREALTIME/[.,]/}
say() { echo "lab: $(((${EPOCHREALTIME/[.,]/} - started_us) / 1000)) ms: $*"; }

check() { # that everything needed is here, before anything is touched
  local program missing=() packages
  [ "$(id -u)" = 0 ] || fail "namespaces and device nodes need root"
  for program in slurmctld slurmd sinfo munged sshd ssh-keygen ip nsenter unshare setpriv /usr/bin/python3; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  if [ "$ACCOUNTING" = 1 ]; then
    for program in slurmdbd mariadbd mariadb mariadb-install-db; do
      command -v "$program" >/dev/null || missing+=("$program")
    done
  fi
  if ((${#missing[@]})); then
    packages=$(sed 's/#.*//' "$SOURCE/../../scripts/debian-packages" | xargs)
    fail "missing: ${missing[*]}; apt-get install -y --no-install-recommends $packages"
  fi
  if [ -d "$LAB" ] && [ "$(ls -A "$LAB")" ] && [ ! -f "$LAB/settings" ]; then
    fail "$LAB is not empty and holds no lab: not touched"
  fi
}

give_up() { # whatever failed has said so; here is what the daemons said, but for what they always say
  local usual="pmix|hwloc|state file|Trying backup|Domain socket|Zero Bytes|Job accounting|WARNING"
  grep -iE "error|fatal|refused|denied|not found" "$LAB"/log/* | grep -vE "$usual" | tail -n 15 >&2 || true
  "$SOURCE/down.sh"
}

boot_all() {
  local machine
  boot switch
  wait_until 30 "the bridge" is_ready switch
  # What the host sends to a lab address ends here instead of leaving by a real network. The metric makes it our own.
  ip route add unreachable "$NETWORK.0/24" metric "$(pid_of switch)"
  for machine in $(machines); do boot "$machine"; done
  for machine in $(machines); do plug_in "$machine"; done
  for machine in $(machines); do wait_until 30 "the boot of $machine" is_ready "$machine"; done
}

all_idle() { [ "$(inside login sinfo --noheader --Node --states=idle --format=%N | wc -l)" = "$NODES" ]; }

check
"$SOURCE/down.sh" --purge # whatever is left of an earlier lab in this place
trap give_up EXIT
write_directories
save_settings
write_identities
write_network
write_gpus
write_slurm
write_sshd
write_home
if [ "$OWNER" ]; then
  setsid /usr/bin/python3 "$SOURCE/lib/owner.py" "$OWNER" "$LAB" </dev/null >"$LAB/log/owner.log" 2>&1 &
fi
boot_all
say "machines up"
if [ "$ACCOUNTING" = 1 ]; then
  start_accounting
  say "accounting up"
fi
start slurmctld
start_slurmds
start sshgate
save_settings # now with the port
write_ssh
wait_until 30 "all nodes to be idle" all_idle
ssh -F "$LAB/etc/ssh_config" -o BatchMode=yes login true
trap - EXIT
say "ready: ssh -F $LAB/etc/ssh_config login sinfo"
