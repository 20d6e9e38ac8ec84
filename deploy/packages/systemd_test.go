package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// machine is a Debian whose systemd runs in a container of systemd-nspawn.
type machine struct {
	t    *testing.T
	init string // its process 1, as seen from here
}

// boot starts the Debian of make test-packages, as it was made.
func boot(t *testing.T, debian string) *machine {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "machine")
	output(t, "cp", "-a", debian, dir)
	said := &log{}
	cmd := exec.Command("systemd-nspawn", "--quiet", "--directory="+dir, "--machine=scanhound-"+strconv.Itoa(os.Getpid()), "--boot",
		"--register=no", "--keep-unit", "--resolv-conf=off", "--private-network", "--console=pipe")
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the machine said:\n%s", said)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // powers it off
		_ = cmd.Wait()
	})
	eventually(t, "the machine has a process 1", func() bool {
		children, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/task/" + strconv.Itoa(cmd.Process.Pid) + "/children")
		m.init = strings.TrimSpace(string(children))
		return err == nil && m.init != "" && !strings.Contains(m.init, " ")
	})
	eventually(t, "systemd is up", func() bool {
		state, _ := m.try("systemctl", "is-system-running")
		return state == "running" || state == "degraded"
	})
	return m
}

func (m *machine) try(command ...string) (string, error) {
	out, err := exec.Command("nsenter", append([]string{"--target", m.init, "--all", "--"}, command...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *machine) do(command ...string) string {
	m.t.Helper()
	out, err := m.try(command...)
	if err != nil {
		log, _ := m.try("journalctl", "--no-pager", "--unit=scanhound*")
		m.t.Fatalf("%s: %v\n%s\n%s", strings.Join(command, " "), err, out, log)
	}
	return out
}

// TestUnitsUnderARealSystemd is run by make test-packages: it wants root, systemd-nspawn, and a Debian.
func TestUnitsUnderARealSystemd(t *testing.T) {
	debian := os.Getenv("SCANHOUND_DEBIAN")
	if debian == "" {
		t.Skip("no Debian: make test-packages gets one")
	}
	deb, _ := packaged(t, "1.0.0")
	later, _ := packaged(t, "1.1.0")
	m := boot(t, debian)
	root := filepath.Join("/proc", m.init, "root", "opt")
	output(t, "cp", deb, filepath.Join(root, "first.deb"))
	output(t, "cp", later, filepath.Join(root, "later.deb"))
	m.do("dpkg", "--install", "/opt/first.deb")
	if state, _ := m.try("systemctl", "is-active", "scanhound.service"); state != "inactive" {
		t.Errorf("after the installation it is %s", state)
	}
	m.do("systemctl", "enable", "--now", "scanhound.service")
	ready := func() bool { _, err := m.try("scanhound", "healthcheck"); return err == nil }
	eventually(t, "scanhound.service is ready", ready)
	before := m.do("systemctl", "show", "--property=MainPID", "scanhound.service")
	m.do("systemctl", "reload", "scanhound.service")
	m.do("scanhound", "healthcheck")
	if after := m.do("systemctl", "show", "--property=MainPID", "scanhound.service"); after != before {
		t.Errorf("a reload has made %s of %s", after, before)
	}
	if owner := m.do("stat", "--format=%a %U", "/var/lib/private/scanhound/kafka"); strings.Contains(owner, "root") || !strings.HasPrefix(owner, "700 ") {
		t.Errorf("its data: %s", owner)
	}
	m.do("dpkg", "--install", "/opt/later.deb")
	eventually(t, "it is ready after the upgrade", ready)
	if after := m.do("systemctl", "show", "--property=MainPID", "scanhound.service"); after == before {
		t.Errorf("after the upgrade the old program runs, %s", after)
	}
	m.readsSecrets()
	m.do("dpkg", "--purge", "scanhound")
	if state, _ := m.try("systemctl", "is-active", "scanhound.service"); state != "inactive" {
		t.Errorf("after the purge it is %s", state)
	}
	for _, gone := range []string{"/etc/scanhound", "/var/lib/private/scanhound", "/var/lib/scanhound", "/usr/bin/scanhound"} {
		if _, err := m.try("stat", gone); err == nil {
			t.Errorf("after the purge there is %s", gone)
		}
	}
}

// readsSecrets: a file that root alone may read is the detector's password.
func (m *machine) readsSecrets() {
	t := m.t
	t.Helper()
	m.do("sh", "-c", `umask 077; echo secret > /etc/scanhound/secrets/kafka
cat >> /etc/scanhound/scanhound.yaml <<'EOF'
kafka-user: scanhound
kafka-sasl: PLAIN
kafka-password-file: /run/credentials/scanhound-detector.service/secrets_kafka
EOF`)
	m.do("systemctl", "start", "scanhound-detector.service")
	// There is no Kafka: it says so, and that is past the password.
	eventually(t, "the detector waits for Kafka", func() bool {
		said, _ := m.try("journalctl", "--no-pager", "--unit=scanhound-detector.service")
		return strings.Contains(said, "waiting for Kafka")
	})
	m.do("systemctl", "is-active", "scanhound-detector.service")
}
