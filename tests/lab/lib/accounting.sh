# shellcheck shell=bash
# SLURM's accounting database, on ctl: mariadbd and slurmdbd, both as user slurm; sourced after daemons.sh.

start_accounting() {
  local socket=/run/mysqld/mysqld.sock new=''
  inside ctl install -d -o slurm -g slurm /run/mysqld
  if [ ! -d "$LAB/db" ]; then
    new=yes
    write_accounting
  fi
  inside ctl setsid mariadbd --no-defaults --user=slurm --datadir="$LAB/db" --socket="$socket" --skip-networking \
    --innodb-buffer-pool-size=32M --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 \
    --innodb-flush-log-at-trx-commit=0 --key-buffer-size=1M --aria-pagecache-buffer-size=1M \
    --max-connections=20 </dev/null >>"$LAB/log/mariadb.log" 2>&1 &
  wait_until 30 "mariadbd" inside ctl test -S "$socket"
  if [ "$new" ]; then
    inside ctl mariadb --no-defaults --socket="$socket" --user=root --execute="
      create user if not exists slurm@localhost identified via unix_socket;
      grant all on slurm_acct_db.* to slurm@localhost;"
  fi
  start slurmdbd
  wait_until 30 "slurmdbd to listen" answers ctl 6819
  if [ "$new" ]; then
    inside ctl sacctmgr --immediate add cluster lab
    inside ctl sacctmgr --immediate add account research
    inside ctl sacctmgr --immediate add user "$LAB_USER" account=research
  fi >>"$LAB/log/sacctmgr.log" 2>&1
}

write_accounting() {
  install -d -o slurm -g slurm "$LAB/db"
  mariadb-install-db --no-defaults --user=slurm --datadir="$LAB/db" --skip-test-db \
    --auth-root-authentication-method=socket >"$LAB/log/mariadb-install-db.log" 2>&1
  cat >"$LAB/etc/slurm/slurmdbd.conf" <<CONF
AuthType=auth/munge
DbdHost=ctl
SlurmUser=slurm
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_acct_db
LogFile=$LAB/log/slurmdbd.log
PidFile=/run/slurm/slurmdbd.pid
CONF
  chown slurm:slurm "$LAB/etc/slurm/slurmdbd.conf"
  chmod 600 "$LAB/etc/slurm/slurmdbd.conf"
}
