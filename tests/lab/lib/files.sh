# shellcheck shell=bash
# Writes what the machines are configured from: users, keys, SLURM, SSH; sourced by up.sh after settings.sh.

write_directories() {
  mkdir -p "$LAB"/{etc/slurm,etc/munge,run,log,state,spool,dev,gpus} "$LAB_HOME/.ssh"
  chmod 1777 "$LAB/log"
  chown slurm:slurm "$LAB/state"
  mkdir "$LAB/small" # mounted before the machines boot, so that they share it: a file system that a test can fill
  mount -t tmpfs -o mode=1777,size=4m tmpfs "$LAB/small"
}

write_identities() { # the host's users and one more, for the machines only; "*": no password, yet not "locked"
  {
    grep -v "^$LAB_USER:" /etc/passwd
    echo "$LAB_USER:*:$LAB_UID:$LAB_UID::$LAB_HOME:/bin/bash"
  } >"$LAB/etc/passwd"
  {
    grep -v "^$LAB_USER:" /etc/group
    echo "$LAB_USER:x:$LAB_UID:"
  } >"$LAB/etc/group"
  head -c 128 /dev/urandom >"$LAB/etc/munge/munge.key"
  chmod 400 "$LAB/etc/munge/munge.key"
  chmod 700 "$LAB/etc/munge"
  chown -R munge:munge "$LAB/etc/munge"
}

write_network() {
  local machine
  : >"$LAB/etc/resolv.conf" # no DNS: the lookup of an unknown name fails at once
  {
    echo "127.0.0.1 localhost"
    for machine in $(machines); do echo "$(address "$machine") $machine"; done
  } >"$LAB/etc/hosts"
}

write_gpus() { # device nodes for SLURM, which wants no driver behind them, and the lists that nvidia-smi shows
  local node index
  for index in $(seq 0 $((GPUS - 1))); do
    mknod -m 666 "$LAB/dev/nvidia$index" c 195 "$index"
  done
  for node in $(compute_nodes); do
    mkdir "$LAB/gpus/$node"
    for index in $(seq 0 $((GPUS - 1))); do
      : >"$LAB/gpus/$node/$index"
      chmod 666 "$LAB/gpus/$node/$index"
    done
  done
}

write_slurm() {
  cat >"$LAB/etc/slurm/slurm.conf" <<CONF
ClusterName=lab
SlurmctldHost=ctl($(address ctl))
SlurmUser=slurm
AuthType=auth/munge
CredType=cred/munge
MpiDefault=none
MailProg=/bin/true
StateSaveLocation=$LAB/state
SlurmdSpoolDir=$LAB/spool/%n
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.pid
SlurmctldLogFile=$LAB/log/slurmctld.log
SlurmdLogFile=$LAB/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# the machine has neither so many CPUs nor so much memory
SlurmdParameters=config_overrides
# a node that comes back is used again without asking
ReturnToService=2
SlurmctldTimeout=15
SlurmdTimeout=$SLURMD_TIMEOUT_S
MessageTimeout=5
# long enough for an agent on a busy machine to end its servers and say so; the default is 30
KillWait=10
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=5,bf_interval=5,batch_sched_delay=0
$(accounting_storage)
NodeName=node[1-$NODES] CPUs=$CPUS Sockets=2 CoresPerSocket=$((CPUS / 2)) ThreadsPerCore=1 RealMemory=$MEMORY_MIB Gres=gpu:$GPUS State=UNKNOWN
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=01:00:00 State=UP
CONF
  echo "NodeName=node[1-$NODES] Name=gpu File=$LAB/dev/nvidia[0-$((GPUS - 1))]" >"$LAB/etc/slurm/gres.conf"
}

accounting_storage() {
  if [ "$ACCOUNTING" = 1 ]; then
    echo "AccountingStorageType=accounting_storage/slurmdbd"
    echo "AccountingStorageHost=ctl"
    echo "AccountingStorageTRES=gres/gpu" # fatal without slurmdbd
  else
    echo "AccountingStorageType=accounting_storage/none"
  fi
}

write_sshd() { # the login machine and the compute nodes share the configuration and the host key
  ssh-keygen -q -t ed25519 -N '' -C lab -f "$LAB/etc/ssh_host_ed25519_key"
  ssh-keygen -q -t ed25519 -N '' -C "$LAB_USER" -f "$LAB/etc/id_ed25519"
  cat >"$LAB/etc/sshd_config" <<CONF
HostKey $LAB/etc/ssh_host_ed25519_key
PidFile /run/sshd.pid
LogLevel VERBOSE
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
AllowUsers $LAB_USER
PrintMotd no
PrintLastLog no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
CONF
  if [ "$NODE_SSHD" = 1 ]; then : >"$LAB/etc/node_sshd"; fi # machine.sh looks for it
}

write_home() { # the user's keys, so that `ssh node1` works from the login machine and from any node
  local host_key
  host_key=$(cut -d' ' -f1,2 "$LAB/etc/ssh_host_ed25519_key.pub")
  cp "$LAB/etc/id_ed25519" "$LAB_HOME/.ssh/id_ed25519"
  cp "$LAB/etc/id_ed25519.pub" "$LAB_HOME/.ssh/authorized_keys"
  echo "login,node*,$NETWORK.* $host_key" >"$LAB_HOME/.ssh/known_hosts"
  chmod 700 "$LAB_HOME/.ssh"
  chmod 600 "$LAB_HOME"/.ssh/*
  chown -R "$LAB_UID:$LAB_UID" "$LAB_HOME"
}

write_ssh() { # how the host reaches the lab; needs the port that sshgate has
  local host_key
  host_key=$(cut -d' ' -f1,2 "$LAB/etc/ssh_host_ed25519_key.pub")
  cat >"$LAB/etc/ssh_config" <<CONF
Host login
  HostName 127.0.0.1
  Port $SSH_PORT
Host node*
  ProxyJump login
Host login node*
  User $LAB_USER
  IdentityFile $LAB/etc/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile $LAB/etc/known_hosts
  StrictHostKeyChecking yes
CONF
  printf '%s\n' "[127.0.0.1]:$SSH_PORT $host_key" "node* $host_key" >"$LAB/etc/known_hosts"
}
