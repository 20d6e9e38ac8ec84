package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Clients that nobody here wrote take what was published, byte for byte, with no more than a SIEM's permissions.

// cached is a folder for what is fetched once.
func cached(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../.cache/clients", name))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// lacks skips the test, but in CI, where nothing may be left out.
func lacks(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// fetched runs what fetches a client, again if the network hiccups.
func fetched(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	var out []byte
	var err error
	for try := range 3 {
		time.Sleep(time.Duration(try) * 3 * time.Second)
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		if out, err = cmd.CombinedOutput(); err == nil {
			return
		}
	}
	lacks(t, "cannot fetch: "+name+" "+strings.Join(args, " ")+": "+err.Error()+"\n"+string(out))
}

// takers is a server as shipped with alerts on it, and a SIEM's consumer that nats made as the README says.
func takers(t *testing.T) (w *world, cli string, sent []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a client")
	}
	dir := cached(t, "bin")
	cli = filepath.Join(dir, "nats")
	if _, err := os.Stat(cli); err != nil {
		fetched(t, dir, []string{"GOBIN=" + dir, "GOFLAGS="}, "go", "install", "github.com/nats-io/natscli/nats@v0.5.0")
	}
	w = newWorld(t)
	w.nats = shippedNATS(t)
	sent = w.writeAlerts(6)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("alerter-pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := w.launch("alerter", "--nats-url="+w.nats, "--nats-user=alerter", "--nats-password-file="+password)
	p.becomesReady()
	runs(t, cli, "--server="+w.nats, "--user=admin", "--password=admin-pw", "consumer", "add", "SCAN_ALERTS", "siem", "--pull", "--ack=explicit", "--deliver=all",
		"--wait=1m", "--max-pending=1000", "--filter=alerts.scan.>", "--defaults")
	return w, cli, sent
}

func runs(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

func TestTheNATSCommandTakesWhatWasPublished(t *testing.T) {
	w, cli, sent := takers(t)
	got := runs(t, cli, "--server="+w.nats, "--user=siem", "--password=siem-pw", "--inbox-prefix=_INBOX_siem", "consumer", "next", "SCAN_ALERTS", "siem", "--count=6", "--raw", "--timeout=30s")
	if want := strings.Join(sent, "\n"); strings.TrimSpace(got) != want {
		t.Errorf("it took\n%s\nwant\n%s", got, want)
	}
}

func TestTheClientForJavaScriptTakesWhatWasPublished(t *testing.T) {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			lacks(t, err.Error())
		}
	}
	w, _, sent := takers(t)
	dir := cached(t, "js")
	if _, err := os.Stat(filepath.Join(dir, "node_modules/@nats-io/jetstream")); err != nil {
		fetched(t, dir, nil, "npm", "install", "--no-audit", "--no-fund", "--no-save", "@nats-io/transport-node@3.4.0", "@nats-io/jetstream@3.4.0")
	}
	script, err := os.ReadFile("testdata/take.mjs")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "take.mjs"), script, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := runs(t, "node", filepath.Join(dir, "take.mjs"), w.nats, "siem", "siem-pw", "6")
	if want := strings.Join(sent, "\n"); strings.TrimSpace(got) != want {
		t.Errorf("it took\n%s\nwant\n%s", got, want)
	}
}
