//go:build linux

package live_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// network is three namespaces beside ours, which is the collector's:
//
//	attacker 10.66.0.0/24 -- router --victims-- 10.77.0.0/30 -- 10.77.1.0/24
//	                           |
//	                           +----collector-- 10.88.0.0/30 -- ours, and 10.88.1.0/24 is ours too
//
// Every exporter watches the router's interface "victims".
type network struct{ t *testing.T }

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t}
	for _, name := range []string{"attacker", "router", "victims"} {
		n.do("ip netns add " + name)
		t.Cleanup(func() { n.do("ip netns del " + name) })
		n.do("ip -n " + name + " link set lo up")
	}
	n.connect("-n attacker", "attacker", "10.66.0.1/24", "10.66.0.2/24")
	n.connect("-n victims", "victims", "10.77.0.1/30", "10.77.0.2/30")
	// Ours has no name, so that it is given by a process in it.
	n.do("ip -n router link add collector type veth peer name eth0 netns 1")
	t.Cleanup(func() { n.do("ip link del eth0") }) // ours outlives the test
	n.addresses("", "collector", "10.88.0.1/30", "10.88.0.2/30")
	n.inside("router", "sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.do("ip -n router route add 10.77.1.0/24 via 10.77.0.2")
	n.do("ip -n attacker route add default via 10.66.0.1")
	n.do("ip -n victims route add default via 10.77.0.1")
	n.do("ip route add default via 10.88.0.1")
	n.do("ip -n victims route add local 10.77.1.0/24 dev lo")
	n.do("ip route replace local 10.88.1.0/24 dev lo")
	return n
}

// connect joins a namespace to the router, one segment a packet: the exporters
// would count those of up to 64 KiB that veths pass on.
func (n *network) connect(of, name, router, own string) {
	n.do(fmt.Sprintf("ip -n router link add %s gso_max_segs 1 type veth peer name eth0 netns %s gso_max_segs 1", name, name))
	n.addresses(of, name, router, own)
}

func (n *network) addresses(of, name, router, own string) {
	n.do(fmt.Sprintf("ip -n router address add %s dev %s", router, name))
	n.do(fmt.Sprintf("ip -n router link set %s up", name))
	n.do(fmt.Sprintf("ip %s address add %s dev eth0", of, own))
	n.do(fmt.Sprintf("ip %s link set eth0 up", of))
}

// do runs a command that must not fail.
func (n *network) do(line string) {
	n.t.Helper()
	words := strings.Fields(line)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v %s", line, err, out)
	}
}

// inside runs a command in a namespace to its end.
func (n *network) inside(name string, words ...string) {
	n.t.Helper()
	out, err := exec.Command("ip", append([]string{"netns", "exec", name}, words...)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s in %s: %v\n%s", strings.Join(words, " "), name, err, out)
	}
}

// task is a program that runs beside the test.
type task struct {
	cmd  *exec.Cmd
	said *output
	done chan struct{}
}

// start runs a command in a namespace, or in ours if that is "", until the test
// ends or it is stopped.
func (n *network) start(name string, words ...string) *task {
	n.t.Helper()
	if name != "" {
		words = append([]string{"ip", "netns", "exec", name}, words...)
	}
	return start(n.t, exec.Command(words[0], words[1:]...))
}

func start(t *testing.T, cmd *exec.Cmd) *task {
	t.Helper()
	k := &task{cmd: cmd, said: new(output), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = k.said, k.said
	cmd.WaitDelay = time.Second // a child of it may hold our pipe
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(k.done)
		_ = cmd.Wait() // it is asked for its code where that matters
	}()
	t.Cleanup(func() {
		k.stop(syscall.SIGKILL)
		if said := bytes.TrimSpace(k.said.bytes()); t.Failed() && len(said) > 0 {
			t.Logf("%v said at last:\n%s", cmd.Args, said[max(0, len(said)-1000):])
		}
	})
	return k
}

// stop sends a signal and waits for the end, and then uses force.
func (k *task) stop(s syscall.Signal) (code int) {
	_ = k.cmd.Process.Signal(s) // it may have ended
	select {
	case <-k.done:
	case <-time.After(10 * time.Second):
		_ = k.cmd.Process.Kill()
		<-k.done
	}
	return k.cmd.ProcessState.ExitCode()
}
