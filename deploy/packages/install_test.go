package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// patience is what the slowest machine needs.
const patience = time.Minute

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// root is a folder that a package is installed into, as if it were the machine's.
type root struct {
	t   *testing.T
	dir string
}

func newRoot(t *testing.T) root {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a root of its own wants root")
	}
	r := root{t, t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "proc", "dev", "tmp"} {
		if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(r.dir, "var/lib/dpkg", file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r root) path(name string) string { return filepath.Join(r.dir, name) }

func (r root) dpkg(args ...string) string {
	r.t.Helper()
	return output(r.t, "dpkg", append([]string{"--root=" + r.dir, "--force-script-chrootless", "--force-depends", "--force-confdef", "--log=" + r.path("dpkg.log")}, args...)...)
}

func (r root) has(name string) bool {
	_, err := os.Lstat(r.path(name))
	return err == nil
}

// execStart is the line of a unit, as systemd would run it.
func (r root) execStart(unit string) []string {
	r.t.Helper()
	text, err := os.ReadFile(r.path("usr/lib/systemd/system/" + unit))
	if err != nil {
		r.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^ExecStart=(.+)$`).FindSubmatch(text)
	if m == nil {
		r.t.Fatalf("%s starts nothing", unit)
	}
	return strings.Fields(string(m[1]))
}

// starts runs a command in the root as a user without rights, where only writable can be written.
func (r root) starts(command []string, writable string) (*exec.Cmd, *log) {
	r.t.Helper()
	if writable != "" {
		if err := os.MkdirAll(r.path(writable), 0o700); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Chown(r.path(writable), 65532, 65532); err != nil {
			r.t.Fatal(err)
		}
	}
	// The mounts are in a namespace of their own and go with the process.
	script := `root=$1 writable=$2; shift 2
mount --bind "$root" "$root" && mount -o remount,bind,ro "$root" && mount -t proc proc "$root/proc"
if [ -n "$writable" ]; then mount --bind "$root/$writable" "$root/$writable" && mount -o remount,bind,rw "$root/$writable"; fi
exec chroot --userspec=65532:65532 "$root" "$@"`
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-ec", script, "sh", r.dir, writable}, command...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true} // no terminal, as under systemd
	said := &log{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return cmd, said
}

// log is what a process wrote.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// freePorts are three that nobody has right now.
func freePorts(t *testing.T) (ports [3]int) {
	t.Helper()
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all at the end, so that they differ
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

func TestTheDebIsInstalledRunsIsUpgradedAndGoesAgain(t *testing.T) {
	tool(t, "dpkg")
	tool(t, "unshare")
	r := newRoot(t)
	first, _ := packaged(t, "1.0.0")
	r.dpkg("--install", first)
	if tool, err := exec.LookPath("systemd-analyze"); err == nil {
		for _, unit := range []string{"scanhound", "scanhound-ingest", "scanhound-detector", "scanhound-alerter"} {
			path := r.path("usr/lib/systemd/system/" + unit + ".service")
			// There is no shell in this root; all else is there.
			out, _ := exec.Command(tool, "verify", "--man=no", "--recursive-errors=no", "--root="+r.dir, path).CombinedOutput()
			if got := strings.TrimSpace(string(out)); got != unit+".service: Command /bin/sh is not executable: No such file or directory" {
				t.Errorf("systemd-analyze verify %s:\n%s", unit, got)
			}
		}
	}
	for _, program := range []string{"scanhound-ingest", "scanhound-detector", "scanhound-alerter"} {
		command := r.execStart(program + ".service")
		cmd, said := r.starts(append(command, "--version"), "")
		if err := cmd.Wait(); err != nil || command[0] != "/usr/bin/"+program {
			t.Errorf("%v: %v\n%s", command, err, said)
		}
	}
	changed := r.configures()
	r.serves(changed)
	second, _ := packaged(t, "1.1.0")
	r.dpkg("--install", second)
	if text, err := os.ReadFile(r.path("etc/scanhound/scanhound.yaml")); err != nil || string(text) != changed.text {
		t.Errorf("the upgrade has changed the settings: %v\n%s", err, text)
	}
	r.serves(changed) // with what the former version has kept
	r.dpkg("--remove", "scanhound")
	if r.has("usr/bin/scanhound") || r.has("usr/lib/systemd/system/scanhound.service") || !r.has("etc/scanhound/scanhound.yaml") || !r.has("var/lib/scanhound") {
		t.Error("removed: the programs go, settings and data stay")
	}
	r.dpkg("--purge", "scanhound")
	if r.has("etc/scanhound") || r.has("var/lib/scanhound") {
		t.Error("purged: something of it is left")
	}
}

// changed is a settings file after its administrator was there.
type changed struct {
	text                   string
	admin, nats, exporters int
}

// configures changes the addresses in the shipped file, and nothing else.
func (r root) configures() changed {
	r.t.Helper()
	name := r.path("etc/scanhound/scanhound.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	ports := freePorts(r.t)
	c := changed{string(text), ports[0], ports[1], ports[2]}
	for setting, value := range map[string]string{
		"admin": fmt.Sprintf("127.0.0.1:%d", c.admin), "nats-listen": fmt.Sprintf("127.0.0.1:%d", c.nats), "listen": fmt.Sprintf("['127.0.0.1:%d']", c.exporters),
	} {
		line := regexp.MustCompile(`(?m)^# ?` + setting + `: .*$`)
		place := line.FindStringIndex(c.text)
		if place == nil {
			r.t.Fatalf("no line for %s in the shipped settings", setting)
		}
		c.text = c.text[:place[0]] + setting + ": " + value + c.text[place[1]:]
	}
	if err := os.WriteFile(name, []byte(c.text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// serves runs scanhound.service until it has said that a source scans.
func (r root) serves(c changed) {
	t := r.t
	t.Helper()
	cmd, said := r.starts(r.execStart("scanhound.service"), "var/lib/scanhound")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	defer func() {
		if t.Failed() {
			t.Log(said)
		}
	}()
	eventually(t, "/readyz says ready", func() bool {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", c.admin))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode == http.StatusOK
	})
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil { // ExecReload
		t.Fatal(err)
	}
	nc, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", c.nats))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	alerts, err := nc.SubscribeSync("alerts.>")
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	scan(t, c.exporters)
	m, err := alerts.NextMsg(patience)
	for err == nil && len(m.Data) == 0 { // the alerter's question whether alerts would be stored
		m, err = alerts.NextMsg(patience)
	}
	if err != nil || !bytes.Contains(m.Data, []byte("198.51.100.7")) {
		t.Fatalf("no alert: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended: %v", err)
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}
}

// scan sends NetFlow v5 of SYNs from one source to port 8099 of 240 hosts, another network each time.
func scan(t *testing.T, port int) {
	t.Helper()
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const uptime = 3_600_000
	now := time.Now()
	for datagram := range 8 {
		p := make([]byte, 24+30*48)
		binary.BigEndian.PutUint16(p[0:], 5)
		binary.BigEndian.PutUint16(p[2:], 30)
		binary.BigEndian.PutUint32(p[4:], uptime)
		binary.BigEndian.PutUint32(p[8:], uint32(now.Unix()))
		binary.BigEndian.PutUint32(p[16:], uint32(datagram*30))
		for i := range 30 {
			f := p[24+48*i:]
			copy(f[0:], []byte{198, 51, 100, 7})
			copy(f[4:], []byte{10, 0, byte(now.UnixNano() >> 8), byte(datagram*30 + i)})
			binary.BigEndian.PutUint32(f[16:], 1)
			binary.BigEndian.PutUint32(f[20:], 44)
			binary.BigEndian.PutUint32(f[24:], uptime-1000)
			binary.BigEndian.PutUint32(f[28:], uptime-1000)
			binary.BigEndian.PutUint16(f[32:], 40000)
			binary.BigEndian.PutUint16(f[34:], 8099)
			f[37], f[38] = 2, 6 // SYN, TCP
		}
		if _, err := conn.Write(p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheRPMHoldsTheSame(t *testing.T) {
	tool(t, "rpm")
	_, rpm := packaged(t, "1.0.0")
	t.Logf("%s", filepath.Base(rpm))
	files := output(t, "rpm", "-qp", "--qf", `[%{FILEFLAGS:fflags} %{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]`, rpm)
	for _, want := range []string{
		"cn -rw-r--r-- root /etc/scanhound/scanhound.yaml\n", " drwx------ root /etc/scanhound/secrets\n", " -rwxr-xr-x root /usr/bin/scanhound-ingest\n",
		" /usr/lib/systemd/system/scanhound.service\n", " /usr/share/man/man1/scanhound-serve.1.gz\n", " /usr/share/licenses/scanhound/LICENSE\n",
	} {
		if !strings.Contains(files, want) {
			t.Errorf("no %q in\n%s", want, files)
		}
	}
	if scripts := output(t, "rpm", "-qp", "--scripts", rpm); strings.Count(scripts, "systemctl") < 4 {
		t.Error(scripts)
	}
	r := newRoot(t)
	output(t, "rpm", "--root="+r.dir, "--nodeps", "--noscripts", "--nosignature", "--install", rpm)
	cmd, said := r.starts([]string{"/usr/bin/scanhound", "check", "--settings=/etc/scanhound/scanhound.yaml"}, "")
	if err := cmd.Wait(); err != nil {
		t.Errorf("check of what is shipped: %v\n%s", err, said)
	}
}
