#!/bin/bash
# lab.sh records what real exporters say about scans whose truth is known.
#
# It builds five network namespaces with no way out: attacker and clients on one side, a /24 of
# victims on the other, a router between them, and a collector that only listens:
#
#     attacker 10.66.0.0/24 --+
#                             +-- router --victims-- 10.77.0.0/30 -- 10.77.1.0/24 (the victims)
#     clients  10.55.0.0/24 --+     |
#                                   +----collector-- 10.88.0.0/30
#
# Every exporter watches the router's interface "victims", at the same time, so that all of them
# tell of the same packets. tcpdump keeps those packets too: truth.json is counted from them.
# Needs root. Writes lab/captures. Removes everything else that it made, also when it fails.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
lab=scanhound-lab-$$
tmp=$(mktemp -d)
seconds=${LAB_SECONDS:-100} # three rounds of the active timeout below, less than every window
exporters=(softflowd-v5 softflowd-v9 softflowd-ipfix softflowd-ipfix-biflow nfprobe-v9)

# A router's usual active timeout is 60 s and its inactive 15 s; half of the first suffices here
# for long sessions to be told in slices.
timeouts=(general=15 tcp=15 tcp.rst=5 tcp.fin=5 udp=15 icmp=15 maxlife=30 expint=5)

main() {
	trap remove EXIT
	trap 'exit 130' INT TERM
	install
	build
	record
	source "$here/traffic.sh"
	ordinary_traffic
	scans
	finish
	keep
}

install() {
	local missing=() pair
	for pair in nmap:nmap masscan:masscan softflowd:softflowd pmacctd:pmacct tcpdump:tcpdump \
		ip:iproute2 python3:python3 zstd:zstd; do
		command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
	done
	((${#missing[@]} == 0)) || DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y --no-install-recommends "${missing[@]}"
}

# inside runs a command in one of the namespaces.
inside() {
	ip netns exec "$lab-$1" "${@:2}"
}

build() {
	local ns
	for ns in attacker clients victims collector router; do
		ip netns add "$lab-$ns"
		ip -n "$lab-$ns" link set lo up
	done
	connect attacker 10.66.0.1/24 10.66.0.2/24
	connect clients 10.55.0.1/24 10.55.0.2/24
	connect victims 10.77.0.1/30 10.77.0.2/30
	connect collector 10.88.0.1/30 10.88.0.2/30
	inside router sysctl -qw net.ipv4.ip_forward=1
	ip -n "$lab-router" route add 10.77.1.0/24 via 10.77.0.2
	ip -n "$lab-router" route add 10.88.1.0/24 via 10.88.0.2

	# Three quarters of the /24 answer, on every address; the last quarter is silent.
	ip -n "$lab-victims" route add local 10.77.1.0/25 dev lo
	ip -n "$lab-victims" route add local 10.77.1.128/26 dev lo
	ip -n "$lab-victims" route add blackhole 10.77.1.192/26
	# Linux answers one closed UDP port a second to each peer; a scan of 100 would take minutes.
	inside victims sysctl -qw net.ipv4.icmp_ratelimit=0
	# The collector is an address that swallows datagrams: no listener, no port unreachable.
	ip -n "$lab-collector" route add blackhole 10.88.1.0/24
}

# connect joins a namespace to the router, by its interface eth0 and the router's of its name.
# One segment a packet: otherwise the exporters would count segments of up to 64 KiB.
connect() {
	local ns=$1 router=$2 address=$3
	ip -n "$lab-router" link add "$ns" gso_max_segs 1 type veth \
		peer name eth0 netns "$lab-$ns" gso_max_segs 1
	ip -n "$lab-router" address add "$router" dev "$ns"
	ip -n "$lab-router" link set "$ns" up
	ip -n "$lab-$ns" address add "$address" dev eth0
	ip -n "$lab-$ns" link set eth0 up
	ip -n "$lab-$ns" route add default via "${router%/*}"
}

# record starts the collector's recorders first: they must see the first template.
record() {
	local i name port
	for i in "${!exporters[@]}"; do
		name=${exporters[i]}
		dump collector eth0 "$tmp/$name.pcap" udp and dst port $((2055 + i))
	done
	dump router victims "$tmp/packets.pcap" ip
	for i in "${!exporters[@]}"; do
		port=$((2055 + i))
		case ${exporters[i]} in
		softflowd-v5) softflowd_to $port -v 5 ;;
		softflowd-v9) softflowd_to $port -v 9 ;;
		softflowd-ipfix) softflowd_to $port -v 10 ;;
		softflowd-ipfix-biflow) softflowd_to $port -v 10 -b -A milli ;;
		nfprobe-v9) nfprobe_to $port ;;
		esac
	done
	sleep 2
}

dump() {
	local ns=$1 interface=$2 file=$3
	inside "$ns" tcpdump -Z root -U -B 16384 -i "$interface" -w "$file" "${@:4}" 2>"$file.log" &
	until grep -qs "listening on" "$file.log"; do sleep 0.1; done
}

softflowd_to() {
	local port=$1
	inside router softflowd -d -i victims -n "10.88.1.1:$port" -m 65536 \
		-p "$tmp/$port.pid" -c "$tmp/$port.ctl" "${timeouts[@]/#/-t}" "${@:2}" \
		>"$tmp/exporter-$port.log" 2>&1 &
}

nfprobe_to() {
	local port=$1
	cat >"$tmp/pmacctd.conf" <<-CONF
		daemonize: false
		pidfile: $tmp/$port.pid
		pcap_interface: victims
		plugins: nfprobe
		plugin_buffer_size: 65536
		plugin_pipe_size: 16777216
		aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags
		nfprobe_version: 9
		nfprobe_engine: 7
		nfprobe_maxflows: 65536
		nfprobe_receiver: 10.88.1.1:$port
		nfprobe_timeouts: $(IFS=:; echo "${timeouts[*]}")
	CONF
	inside router pmacctd -f "$tmp/pmacctd.conf" >"$tmp/exporter-$port.log" 2>&1 &
}

# finish lets the last timeouts pass, then stops the exporters, which send what they still hold.
finish() {
	while ((SECONDS < seconds)); do sleep 1; done
	stop clients
	stop attacker
	stop router
	sleep 1
	stop collector
	stop victims
}

stop() {
	local ns=$lab-$1 tries=50
	ip netns pids "$ns" 2>/dev/null | xargs -r kill 2>/dev/null || true
	while [[ -n $(ip netns pids "$ns" 2>/dev/null) ]]; do
		((tries-- > 0)) || { ip netns pids "$ns" | xargs -r kill -KILL || true; }
		sleep 0.1
	done
}

keep() {
	local name
	(cd "$here" && go run ./truth "$tmp/packets.pcap" "$tmp/sources.tsv") >"$tmp/truth.json"
	for name in "${exporters[@]}"; do
		zstd -q -19 -f "$tmp/$name.pcap" -o "$here/captures/$name.pcap.zst"
	done
	cp "$tmp/truth.json" "$here/captures/truth.json"
	[[ -z ${LAB_KEEP:-} ]] || cp -r "$tmp/." "$LAB_KEEP"
}

remove() {
	local ns
	for ns in attacker clients router collector victims; do
		if [[ -e /run/netns/$lab-$ns ]]; then
			stop "$ns"
			ip netns del "$lab-$ns"
		fi
	done
	rm -rf "$tmp"
}

main
