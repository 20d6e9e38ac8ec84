//go:build linux

package live_test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// exporter is a probe on the router. It sees one scanner and one ordinary client
// only, so that what is told of the scanner can only come through it, and sends
// from an address of its own.
type exporter struct {
	name    string
	version uint16 // of NetFlow; 0 for sFlow
	start   func(n *network, e *exporter) *task
	end     syscall.Signal
	blocks  bool // it reads packets in blocks, when they are full

	number int // makes the addresses
}

func (e *exporter) scanner() netip.Addr { return netip.AddrFrom4([4]byte{10, 66, 0, byte(e.number)}) }
func (e *exporter) client() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 66, 0, byte(100 + e.number)})
}
func (e *exporter) address() netip.Addr   { return netip.AddrFrom4([4]byte{10, 88, 2, byte(e.number)}) }
func (e *exporter) collector() netip.Addr { return netip.AddrFrom4([4]byte{10, 88, 1, byte(e.number)}) }

// sees is a filter in the language of libpcap.
func (e *exporter) sees() string {
	return fmt.Sprintf("host %v or host %v", e.scanner(), e.client())
}

const port = "2055"

// allExporters are those that are installed from Debian's packages.
func allExporters() []*exporter {
	all := []*exporter{
		{name: "softflowd v5", version: 5, start: softflowd, blocks: true},
		{name: "softflowd v9", version: 9, start: softflowd, blocks: true},
		{name: "softflowd IPFIX", version: 10, start: softflowd, blocks: true},
		{name: "nfprobe v5", version: 5, start: pmacctd, end: syscall.SIGINT},
		{name: "nfprobe v9", version: 9, start: pmacctd, end: syscall.SIGINT},
		{name: "nfprobe IPFIX", version: 10, start: pmacctd, end: syscall.SIGINT},
		{name: "sfprobe", start: pmacctd, end: syscall.SIGINT},
		{name: "fprobe", version: 5, start: fprobe},
		{name: "nfreplay", version: 9, start: softflowdToNfcapd, blocks: true},
	}
	for i, e := range all {
		e.number = 11 + i
		if e.end == 0 {
			e.end = syscall.SIGTERM
		}
	}
	return all
}

// softflowd and the others tell of a flow within seconds; their defaults are
// minutes to an hour.
func softflowd(n *network, e *exporter) *task { return softflowdTo(n, e, e.version, port) }

func softflowdTo(n *network, e *exporter, version uint16, port string) *task {
	dir := n.t.TempDir()
	args := []string{"softflowd", "-d", "-i", "victims", "-n", fmt.Sprintf("%v:%s", e.collector(), port), "-v", fmt.Sprint(version),
		"-p", filepath.Join(dir, "pid"), "-c", filepath.Join(dir, "ctl")}
	for _, timeout := range []string{"general=2", "tcp=2", "tcp.rst=1", "tcp.fin=1", "udp=2", "icmp=2", "maxlife=5", "expint=1"} {
		args = append(args, "-t", timeout)
	}
	return n.start("router", append(args, e.sees())...)
}

func pmacctd(n *network, e *exporter) *task {
	plugin := fmt.Sprintf(`plugins: nfprobe
nfprobe_version: %d
nfprobe_receiver: %v:%s
nfprobe_source_ip: %v
nfprobe_timeouts: tcp=2:tcp.rst=1:tcp.fin=1:udp=2:icmp=2:general=2:maxlife=5:expint=1
`, e.version, e.collector(), port, e.address())
	if e.version == 0 {
		plugin = fmt.Sprintf("plugins: sfprobe\nsfprobe_receiver: %v:%s\nsfprobe_agentip: %v\nsampling_rate: 1\n", e.collector(), port, e.address())
	}
	file := write(n.t, "pmacctd.conf", fmt.Sprintf(`daemonize: false
pidfile: %s
pcap_interface: victims
pcap_filter: %s
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags
%s`, filepath.Join(n.t.TempDir(), "pid"), e.sees(), plugin))
	return n.start("router", "pmacctd", "-f", file)
}

func fprobe(n *network, e *exporter) *task {
	return n.start("router", "fprobe", "-i", "victims", "-n", "5", "-s", "1", "-d", "1", "-e", "4", "-q", "10000", "-l", "2",
		"-f", e.sees(), fmt.Sprintf("%v:%s", e.collector(), port))
}

// nfcapdPort is where the nfcapd listens whose file nfreplay sends.
const nfcapdPort = "9995"

func softflowdToNfcapd(n *network, e *exporter) *task { return softflowdTo(n, e, 9, nfcapdPort) }

// route gives the exporter its addresses: the route to its collector's says
// which of the router's is the source.
func (n *network) route(e *exporter) {
	n.do(fmt.Sprintf("ip -n router address add %v/32 dev collector", e.address()))
	n.do(fmt.Sprintf("ip -n router route add %v via 10.88.0.2 src %v", e.collector(), e.address()))
	n.do(fmt.Sprintf("ip -n attacker address add %v/24 dev eth0", e.scanner()))
	n.do(fmt.Sprintf("ip -n attacker address add %v/24 dev eth0", e.client()))
}

// nfcapd keeps what it receives in a folder.
func (n *network) nfcapd() (k *task, dir string) {
	dir = n.t.TempDir()
	k = n.start("", "nfcapd", "-p", nfcapdPort, "-w", dir, "-t", "3600")
	return k, dir
}

// replay sends what nfcapd has kept, as NetFlow v9.
func (n *network) replay(dir string, e *exporter) {
	n.t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "nfcapd.*"))
	if len(files) == 0 {
		n.t.Fatal("nfcapd has kept no file")
	}
	for _, f := range files {
		n.inside("router", "nfreplay", "-r", f, "-H", e.collector().String(), "-p", port, "-v", "9", "-d", "500")
	}
}

// tcpdump records every datagram that comes for ingest.
func (n *network) tcpdump() (k *task, file string) {
	n.t.Helper()
	file = filepath.Join(n.t.TempDir(), "datagrams.pcap")
	k = n.start("", "tcpdump", "-Z", "root", "-U", "--immediate-mode", "-i", "eth0", "-w", file, "udp", "and", "dst", "port", port)
	eventually(n.t, "tcpdump listens", func() bool { return strings.Contains(string(k.said.bytes()), "listening on") })
	return k, file
}

// ordinary starts the services of the lab, and one client in each exporter's sight.
func (n *network) ordinary(all []*exporter) (clients []*task) {
	n.start("victims", "python3", "../traffic.py", "serve")
	// A client ends with an error when its service is not there yet; those of UDP come last.
	eventually(n.t, "the services are there", func() bool { return n.sockets("victims", "udp") > 0 })
	for i, e := range all {
		clients = append(clients, n.start("attacker", "python3", "../traffic.py", []string{"web", "dns"}[i%2], e.client().String()))
	}
	return clients
}

// scan probes a hundred ports of one host for each exporter, all at once.
func (n *network) scan(all []*exporter) {
	n.t.Helper()
	var scans []*task
	for i, e := range all {
		scans = append(scans, n.start("attacker", "nmap", "-n", "-Pn", "-sS", "-e", "eth0", "-S", e.scanner().String(),
			"-p1-100", "--max-rate", "100", fmt.Sprintf("10.77.1.%d", 201+i)))
	}
	for _, k := range scans {
		select {
		case <-k.done:
		case <-time.After(patience):
			n.t.Fatal("nmap does not end")
		}
		if code := k.cmd.ProcessState.ExitCode(); code != 0 {
			n.t.Fatalf("nmap ended with %d", code)
		}
	}
}

// download lets the clients fetch 8 MB: softflowd 1.1 gives libpcap no time-out, so
// that the kernel hands it 256 KiB of packet heads at once and what is in the last
// such block never.
func (n *network) download(all []*exporter) {
	n.t.Helper()
	for _, e := range all {
		if e.blocks {
			n.inside("attacker", "python3", "-c", fetch, e.client().String())
		}
	}
}

const fetch = `
import socket, sys
s = socket.create_connection(("10.77.1.10", 443), timeout=10, source_address=(sys.argv[1], 0))
for _ in range(400):
    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
    left = 20000
    while left:
        left -= len(s.recv(left))
`

// sockets counts the lines of a table of the kernel, without its head.
func (n *network) sockets(namespace, table string) int {
	n.t.Helper()
	out, err := exec.Command("ip", "netns", "exec", namespace, "cat", "/proc/net/"+table).Output()
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.Count(string(out), "\n") - 1
}
