package output

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rsyslog, which nobody here wrote, reads every message, with its parts where they belong.
func TestRsyslogTakesWhatIsSent(t *testing.T) {
	program, err := exec.LookPath("rsyslogd")
	if err != nil {
		t.Skip("no rsyslogd: it is Debian's package rsyslog")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	_ = l.Close()
	dir := t.TempDir()
	got, conf := filepath.Join(dir, "got"), filepath.Join(dir, "rsyslog.conf")
	text := fmt.Sprintf(`
global(workDirectory="%s" maxMessageSize="64k")
module(load="imtcp")
input(type="imtcp" port="%d" address="127.0.0.1")
template(name="parts" type="string" string="%%pri-text%%|%%timereported:::date-rfc3339%%|%%app-name%%|%%msgid%%|%%msg%%\n")
action(type="omfile" file="%s" template="parts" asyncWriting="off" flushOnTXEnd="on")
`, dir, address.Port, got)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	server := exec.CommandContext(ctx, program, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	var said strings.Builder
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); _ = server.Wait() }()

	o := newSyslog(&Entry{}, &url.URL{Scheme: "tcp", Host: address.String()})
	defer o.close()
	long := strings.Repeat("x", 20_000)
	end := time.Now().Add(time.Minute)
	for err = o.send(t.Context(), docs("CEF:0|a=1", "{\"b\":\"\u00e9\"}", long)); err != nil; err = o.send(t.Context(), docs("CEF:0|a=1", "{\"b\":\"\u00e9\"}", long)) {
		if time.Now().After(end) {
			t.Fatalf("%v\n%s", err, said.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	want := "local0.warning|2026-11-27T12:00:00.000000Z|scanhound|scan-open|"
	for {
		text, _ := os.ReadFile(got)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if len(lines) == 3 {
			for i, body := range []string{"CEF:0|a=1", "{\"b\":\"\u00e9\"}", long} {
				if parts := strings.TrimSpace(strings.TrimPrefix(lines[i], want)); parts != body {
					t.Errorf("message %d: %.200s", i, lines[i])
				}
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("rsyslog has %q\n%s", text, said.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}
