# traffic.sh is the part of lab.sh that makes the traffic: first what people do, then the scans.
# Each source address does exactly one thing, and sources.tsv says which.

ordinary_traffic() {
	inside victims python3 "$here/traffic.py" serve 2>"$tmp/serve.log" &
	sleep 1
	ordinary web 10.55.0.21
	ordinary web 10.55.0.22
	ordinary web 10.55.0.23
	ordinary dns 10.55.0.24
	ordinary session 10.55.0.25
	ordinary ping 10.55.0.26
	ordinary failing 10.55.0.27
	ordinary ntp 10.55.0.28
	ordinary game 10.55.0.29
}

# ordinary WHAT SOURCE: a client that goes on until the lab ends.
ordinary() {
	local what=$1 source=$2
	ip -n "$lab-clients" address add "$source/24" dev eth0
	note "$source" "$what" none "traffic.py $what $source"
	inside clients python3 "$here/traffic.py" "$what" "$source" 2>"$tmp/$source.log" &
}

# scans start two seconds apart, so they overlap as on a real network, and each is slow enough
# for two cores to lose no packet.
scans() {
	local jobs=() job
	by_nmap vertical-syn vertical 10.66.0.11 -Pn -sS 10.77.1.10
	by_nmap vertical-connect vertical 10.66.0.12 -Pn -sT 10.77.1.20
	by_nmap vertical-silent vertical 10.66.0.13 -Pn -sS --top-ports 100 10.77.1.200
	by_nmap vertical-udp vertical 10.66.0.14 -Pn -sU --top-ports 100 10.77.1.53
	by_nmap vertical-xmas vertical 10.66.0.15 -Pn -sX --top-ports 120 10.77.1.30
	by_nmap vertical-null vertical 10.66.0.16 -Pn -sN --top-ports 120 10.77.1.30
	by_nmap vertical-fin vertical 10.66.0.17 -Pn -sF --top-ports 120 10.77.1.30
	by_nmap horizontal-syn horizontal 10.66.0.18 -Pn -sS -p 22 10.77.1.0/24
	by_nmap block-nmap block 10.66.0.19 -Pn -sS --top-ports 20 10.77.1.160-223
	by_nmap sweep-icmp sweep 10.66.0.20 -sn -PE 10.77.1.0/24
	by_masscan horizontal-masscan horizontal 10.66.0.21 61000 -p 3389 10.77.1.0/24
	by_masscan block-masscan block 10.66.0.22 40000-40255 -p 8000-8024 10.77.1.96-10.77.1.159
	for job in "${jobs[@]}"; do wait "$job"; done
}

# by_nmap NAME CLASS SOURCE OPTIONS...
by_nmap() {
	scan "$1" "$2" "$3" nmap -n -e eth0 --max-rate 250 -S "$3" "${@:4}"
}

# by_masscan NAME CLASS SOURCE SOURCE-PORTS OPTIONS...
by_masscan() {
	scan "$1" "$2" "$3" masscan -i eth0 --rate 200 --wait 3 --adapter-ip "$3" --adapter-port "$4" "${@:5}"
}

# scan NAME CLASS SOURCE COMMAND...
scan() {
	local name=$1 class=$2 source=$3
	shift 3
	ip -n "$lab-attacker" address add "$source/24" dev eth0
	note "$source" "$name" "$class" "$*"
	inside attacker "$@" >"$tmp/$name.log" 2>&1 &
	jobs+=($!)
	sleep 2
}

note() {
	local IFS=$'\t'
	echo "$*" >>"$tmp/sources.tsv"
}
