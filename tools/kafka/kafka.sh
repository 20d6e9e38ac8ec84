#!/usr/bin/env bash
# kafka.sh up|down|restart|status: one Apache Kafka broker (KRaft) on loopback, for tests.
#
# up      starts a broker with an empty log, waits until it answers, and prints its address as the
#         only line on stdout. A broker that already runs is left alone and its address printed.
# down    stops the broker and removes its data. Nothing running is fine.
# restart ends the broker and starts it again on its data: restart true ends it with SIGKILL, and a
#         number after that is for how many seconds it stays away.
# status  prints the address of a running broker, or exits 1.
#
# KAFKA_PORT=n asks for that port (down: only that broker). Without it, up takes the first pair of
# free ports from 19092 on, and down stops every broker of this work tree. KAFKA_HOST=address has it
# listen there, for programs in other network namespaces.
# The jars come from Maven once and stay in .cache/kafka/lib; needs a JRE 17+, and mvn that once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/kafka
lib=$cache/lib
host=${KAFKA_HOST:-127.0.0.1}

say() { echo "kafka: $*" >&2; }
die() { say "$*"; exit 1; }

# running DIR: is the broker whose data is in DIR alive? A pid file may be stale and its number be
# another program's by now, so the process must also be the one that was given DIR's settings.
running() {
  local pid args
  pid=$(cat "$1/pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
  if [[ -d /proc/self ]]; then
    args=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
  else
    args=$(ps -o args= -p "$pid" 2>/dev/null) || return 1
  fi
  [[ $args == *"$1/server.properties"* ]]
}

answers() { (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null; }

# data_dirs: the data folders that up made: the asked port's alone, or all of this work tree's.
data_dirs() {
  local d
  for d in "$cache"/data-${KAFKA_PORT:-*}; do
    if [[ -d $d ]]; then echo "$d"; fi
  done
}

status() {
  local d
  while read -r d; do
    if running "$d" && answers "${d##*/data-}"; then
      echo "$host:${d##*/data-}"
      return
    fi
  done < <(data_dirs)
  return 1
}

# jars fills lib from the pom, unless it was filled from this very pom before. The folder appears
# under its name only when complete, so an interrupted download is not mistaken for one.
jars() {
  if cmp -s "$here/pom.xml" "$lib/pom.xml"; then return; fi
  command -v mvn >/dev/null || die "mvn is needed once to fetch Kafka's jars (Debian: apt-get install maven)"
  say "fetching the jars with Maven"
  local try part
  rm -rf "$cache"/lib.??????
  part=$(mktemp -d "$cache/lib.XXXXXX")
  for try in 1 2 3; do
    if mvn -q -B -ntp -C -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$part" </dev/null >&2; then
      cp "$here/pom.xml" "$part/pom.xml"
      rm -rf "$lib"
      mv "$part" "$lib"
      return
    fi
    say "Maven did not get them (try $try of 3)"
    sleep $((try * 5))
  done
  rm -rf "$part"
  die "no jars, no broker"
}

# settings PORT DIR: one node that is broker and controller. What a cluster replicates has one
# copy here, and a consumer group is not kept waiting for members that will never come.
settings() {
  cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$host:$(($1 + 1))
listeners=PLAINTEXT://$host:$1,CONTROLLER://$host:$(($1 + 1))
advertised.listeners=PLAINTEXT://$host:$1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$2/log
# A test must create the topics it names: a misspelt one is then an error, as in most clusters.
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
EOF
}

# pick_port: the asked port, or the first one whose controller port (the next number) is free too.
pick_port() {
  local port=${KAFKA_PORT:-}
  if [[ -n $port ]]; then
    ! answers "$port" || die "port $port is taken by another program"
    ! answers $((port + 1)) || die "port $((port + 1)), the controller's, is taken by another program"
    echo "$port"
    return
  fi
  for ((port = 19092; port < 19192; port += 2)); do
    if ! answers "$port" && ! answers $((port + 1)); then
      echo "$port"
      return
    fi
  done
  die "no free pair of ports between 19092 and 19191: set KAFKA_PORT"
}

# start PORT DIR: format and start.
start() {
  local port=$1 dir=$2
  rm -rf "$dir"
  mkdir -p "$dir"
  settings "$port" "$dir" >"$dir/server.properties"
  # The cluster id is any 16 bytes in base64; these spell scanhound-kafka!
  java -cp "$lib/*" kafka.tools.StorageTool format -t c2NhbmhvdW5kLWthZmthIQ \
    -c "$dir/server.properties" >"$dir/broker.log" 2>&1 </dev/null ||
    { tail -n 30 "$dir/broker.log" >&2; die "formatting $dir went wrong"; }
  launch "$dir"
}

# launch DIR: start on the data that is there. The broker gets a session of its own, so that neither
# make nor a Ctrl-C in the terminal takes it down, and none of our descriptors, so that no pipe waits
# for it.
launch() {
  local dir=$1 detach=nohup
  if command -v setsid >/dev/null; then detach="setsid nohup"; fi
  # shellcheck disable=SC2086 # detach is words, not a path
  $detach java -Xmx512m -Dorg.slf4j.simpleLogger.showDateTime=true -cp "$lib/*" \
    kafka.Kafka "$dir/server.properties" >>"$dir/broker.log" 2>&1 </dev/null 9>&- &
  echo $! >"$dir/pid"
}

# wait_for PORT DIR: it answers when it says so in its log and takes a connection.
wait_for() {
  local i
  for ((i = 0; i < 300; i++)); do
    if grep -q 'Kafka Server started' "$2/broker.log" && answers "$1"; then return; fi
    sleep 0.2
    # The pid becomes java's only after setsid and nohup have handed over: look after the sleep.
    running "$2" || break
  done
  tail -n 40 "$2/broker.log" >&2
  stop "$2"
  die "the broker did not answer on port $1; the end of its log is above"
}

# gone DIR: waits up to 10 s until its broker has ended. A process that ends loses its memory, hence
# its command line, before its sockets: only the silent port says that the next broker can bind it.
gone() {
  local i
  for ((i = 0; i < 100; i++)); do
    if ! running "$1" && ! answers "${1##*/data-}"; then return; fi
    sleep 0.1
  done
  return 1
}

stop() {
  end "$1" TERM
  rm -rf "$1"
}

# end DIR SIGNAL: end the broker, and leave its data.
end() {
  local pid
  if running "$1"; then
    pid=$(<"$1/pid")
    kill -"$2" "$pid" 2>/dev/null || true
    if ! gone "$1"; then
      say "pid $pid ignores SIGTERM: killing it"
      kill -KILL "$pid" 2>/dev/null || true
      gone "$1" || die "pid $pid is still there"
    fi
  fi
}

restart() {
  local d signal=TERM
  [[ ${1:-} != true ]] || signal=KILL
  while read -r d; do
    running "$d" || die "no broker runs on $d"
    end "$d" "$signal"
    sleep "${2:-0}"
    : >"$d/broker.log" # wait_for looks for what a start writes
    launch "$d"
    wait_for "${d##*/data-}" "$d"
  done < <(data_dirs)
}

up() {
  command -v java >/dev/null || die "a JRE 17 or newer is needed (Debian: apt-get install default-jre-headless)"
  if status; then return; fi
  jars
  local d port
  # What is left is dead, or alive and deaf: neither is worth keeping.
  while read -r d; do stop "$d"; done < <(data_dirs)
  port=$(pick_port)
  start "$port" "$cache/data-$port"
  wait_for "$port" "$cache/data-$port"
  say "Apache Kafka answers on $host:$port (pid $(<"$cache/data-$port/pid"), log $cache/data-$port/broker.log)"
  echo "$host:$port"
}

down() {
  local d
  while read -r d; do
    stop "$d"
    say "stopped ${d##*/data-}"
  done < <(data_dirs)
}

main() {
  [[ ${KAFKA_PORT:-1} =~ ^[0-9]+$ ]] || die "KAFKA_PORT=$KAFKA_PORT is not a port"
  mkdir -p "$cache"
  # One up or down at a time in a work tree; the lock goes with this process, not with the broker.
  if [[ ${1:-} != status ]] && command -v flock >/dev/null; then
    exec 9>"$cache/lock"
    flock -w 300 9 || die "another kafka.sh has held $cache/lock for five minutes"
  fi
  case ${1:-} in
    up | down | restart | status) "$@" ;;
    *) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
}

main "$@"
