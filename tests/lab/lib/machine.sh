#!/bin/bash
# PID 1 of one machine, in net, mount, uts, ipc and pid namespaces of its own; boot() in machines.sh runs it.
# usage: machine.sh NAME REPO LAB
set -euo pipefail
name=$1 REPO=$2 LAB=$3
lib=$(cd "$(dirname "$0")" && pwd)

mount_private() { # what a real machine does not share with others
  mount -t proc proc /proc
  mount -t tmpfs -o mode=755,size=64m tmpfs /run
  mkdir -p /run/munge /run/sshd /run/slurm /run/gpus /run/nodebin /run/checkout
  mkdir -m 1777 /run/lock
  chown munge:munge /run/munge
  chown slurm:slurm /run/slurm
  mount -t tmpfs -o mode=1777,size=512m tmpfs /dev/shm
}

mount_identity() { # how it is configured: its own /etc, file by file
  local file
  for file in hosts resolv.conf passwd group slurm munge; do
    mount --bind "$LAB/etc/$file" "/etc/$file"
  done
}

mount_checkout() { # bound before /opt and /tmp are covered: it may lie under either, or where only root can go
  mount --bind "$REPO" /run/checkout
  mount -o remount,bind,ro /run/checkout
  if [[ $name == node* ]]; then mount_gpus; fi
  mount -t tmpfs -o mode=1777,size=512m tmpfs /tmp
  mount -t tmpfs -o mode=755,size=1m tmpfs /opt
  mkdir /opt/tau2tui
  mount --move /run/checkout /opt/tau2tui
  rmdir /run/checkout
}

mount_gpus() { # nvidia-smi, and the list of who holds which GPU that it shows
  mount --bind "$LAB/gpus/$name" /run/gpus
  mount --bind "$lib/nodebin" /run/nodebin
  mount -t overlay -o lowerdir=/run/nodebin:/usr/local/bin overlay /usr/local/bin
}

start_daemons() { # those that every machine runs; SLURM's own are started by daemons.sh
  setpriv --reuid=munge --regid=munge --clear-groups \
    munged --log-file="$LAB/log/munged.$name.log" --seed-file=/run/munge/munged.seed --num-threads=2
  if [[ $name == node* && -e $LAB/etc/node_sshd ]]; then /usr/sbin/sshd -f "$LAB/etc/sshd_config" -E "$LAB/log/sshd.$name.log"; fi
}

read -r host_pid _ </proc/self/stat # /proc is still the host's here
hostname "$name"
ip link set lo up
if [ "$name" = switch ]; then
  mount -t proc proc /proc
  ip link add br0 type bridge
  ip link set br0 up
fi
echo "$host_pid" >"$LAB/run/$name.pid" # from now on the host can plug in eth0 and send commands
if [ "$name" != switch ]; then
  mount_private
  mount_identity
  mount_checkout
  start_daemons
fi
cd /
: >"$LAB/run/$name.ready"
set +e
trap : TERM INT HUP
while :; do # bash reaps orphans while it waits
  sleep 86400 &
  wait
done
