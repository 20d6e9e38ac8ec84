package flowfile

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// What nfcapd stored and nfdump printed of a lab capture is what our decoder
// reads in the same datagrams: the same flows, packets and bytes.
func TestNfdumpsCSVOfTheLabIsWhatTheDatagramsSay(t *testing.T) {
	for _, program := range []string{"nfcapd", "nfdump"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	all, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			stored := collect(t, c)
			csv := nfdump(t, stored, "-o", "csv")
			fromCSV := read(t, stdin(csv))
			direct := read(t, decoded(t, c))
			flags, text := uint16(0xff), "long"
			if c.Name == "softflowd-ipfix-biflow" { // nfdump prints those of the answer for the question's
				flags, text = 0, "bilong"
			}
			for _, as := range [][]string{{"-o", "json"}, {"-6", "-o", text}, {"-6", "-q", "-o", text},
				{"-6", "-o", "fmt:%da|%dp|%sa|%sp|%pr|%flg|%ipkt|%ibyt|%opkt|%obyt|%te|%ts"}} {
				printed := read(t, stdin(nfdump(t, stored, as...)))
				if diff := cmp.Diff(multiset(direct, flags), multiset(printed, flags)); diff != "" {
					t.Errorf("%v: %d flows of the datagrams, %d of nfdump: %.3000s", as, len(direct), len(printed), diff)
				}
			}
			if diff := cmp.Diff(multiset(direct, flags), multiset(fromCSV, flags)); diff != "" {
				t.Errorf("%d flows of the datagrams, %d of nfdump: %.3000s", len(direct), len(fromCSV), diff)
			}
			lines := strings.Count(string(csv), "\n")
			t.Logf("%d lines, %d flows, %d distinct", lines, len(fromCSV), len(multiset(fromCSV, flags)))
		})
	}
}

// decoded is a file of JSON lines of what the datagrams say: it is read as other files are.
func decoded(t *testing.T, c lab.Capture) *Reader {
	t.Helper()
	cfg := netflow.Config{}
	decoder := netflow.NewDecoder(netflow.NewTemplates(cfg), cfg)
	decode := func(flows []schema.Flow, from netip.AddrPort, received schema.Time, b []byte) []schema.Flow {
		flows, _ = decoder.DecodeFrom(flows, from, received, b)
		return flows
	}
	var lines []byte
	for flows, err := range Open([]string{file(t, c.Zst)}, nil).Flows(decode) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range flows {
			f.Exporter.Type, f.Received = schema.FlowUnknown, f.End
			lines = append(schema.AppendJSON(lines, &f), '\n')
		}
	}
	return stdin(lines)
}

// multiset leaves ICMP's type out: nfdump 1.7.1 loses it where it comes in an
// element of its own (softflowd's v9 of ICMPv6, nfprobe's).
func multiset(all []schema.Flow, flags uint16) map[string]int {
	set := map[string]int{}
	for _, f := range all {
		set[fmt.Sprintf("%d %s:%d > %s:%d %d/%d %d/%d %#x", f.Proto, f.Src.Addr, f.Src.Port, f.Dst.Addr, f.Dst.Port,
			f.Src.Packets, f.Src.Bytes, f.Dst.Packets, f.Dst.Bytes, f.Src.TCPFlags&flags)]++
	}
	return set
}

// collect sends a capture's datagrams to nfcapd and returns the file that it wrote.
func collect(t *testing.T, c lab.Capture) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dir := t.TempDir()
	port := freePort(t)
	cmd := exec.CommandContext(ctx, "nfcapd", "-b", "127.0.0.1", "-p", fmt.Sprint(port), "-w", dir, "-t", "3600")
	cmd.Env = append(os.Environ(), "TZ=UTC")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for waiting(port) < 0 && ctx.Err() == nil {
	}
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for packet := range packets(t, c) {
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
		for waiting(port) > 0 && ctx.Err() == nil { // so that the kernel drops none
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var last string
	for s := bufio.NewScanner(said); s.Scan(); {
		last += s.Text() + "\n"
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, last)
	}
	files, err := filepath.Glob(filepath.Join(dir, "nfcapd.2*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err, last)
	}
	return files[0]
}

func freePort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// waiting returns how many bytes the kernel holds for a socket, negative if
// nobody listens (proc(5), /proc/net/udp).
func waiting(port int) int {
	table, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(table)) {
		var slot, state string
		var local, remote string
		var sent, held int
		if n, _ := fmt.Sscanf(line, "%s %s %s %s %x:%x", &slot, &local, &remote, &state, &sent, &held); n == 6 && strings.HasSuffix(local, fmt.Sprintf(":%04X", port)) {
			return held
		}
	}
	return -1
}
