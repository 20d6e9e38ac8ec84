package cmd_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAMistakeInTheSettingsIsToldWithItsPlaceBeforeAnythingConnects(t *testing.T) {
	for _, c := range []struct {
		name, file string
		flags      []string
		code       int
		says       []string
	}{
		{"a key that is none", "kafka-broker: x", nil, 3, []string{"FILE:1: kafka-broker is not a setting; did you mean kafka-brokers?"}},
		{"a group that is none", "log-level: info\nkafak:\n  brokers: [a:9092]\n", nil, 3, []string{"FILE:3: kafak-brokers is not a setting; did you mean kafka-brokers?"}},
		{"a key of nothing", "detct: 1", nil, 3, []string{"FILE:1: detct is not a setting"}},
		{"a value of the wrong type", "shutdown-timeout: soon", nil, 3, []string{`FILE:1: shutdown-timeout: "soon" is not accepted`, "duration"}},
		{"a value that cannot be", "kafka-brokers: [kafka]", nil, 3, []string{`FILE:1: kafka-brokers "kafka": want HOST:PORT`}},
		{"two wrong values", "log-level: loud\nkafka-brokers: [kafka]", nil, 3, []string{`FILE:1: log-level: "loud" is not accepted`, `FILE:2: kafka-brokers "kafka": want HOST:PORT`}},
		{"YAML that is none", "kafka-brokers: [a:9092", nil, 3, []string{"FILE:1: "}},
		{"no file", "", []string{"--settings=nowhere.yaml"}, 3, []string{"nowhere.yaml"}},
		{"a flag that is none", "", []string{"--kafka-broker=x"}, 2, []string{"unknown flag --kafka-broker", "kafka-brokers"}},
		{"a wrong value on the command line", "", []string{"--log-level=loud"}, 2, []string{"--log-level", "loud", "debug"}},
	} {
		for _, program := range []string{"ingest", "detector", "alerter"} {
			t.Run(c.name+" for "+program, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "settings.yaml")
				if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
				args := append([]string{"--settings=" + file}, c.flags...)
				r := runToEnd(t, program, args...)
				if r.code != c.code || r.stdout != "" {
					t.Errorf("code %d, want %d; stdout %q", r.code, c.code, r.stdout)
				}
				text := strings.ReplaceAll(r.stderr, file, "FILE")
				for _, says := range c.says {
					if !strings.Contains(text, says) {
						t.Errorf("it does not say %q, but:\n%s", says, text)
					}
				}
				if strings.Contains(text, `"level"`) { // a log line: it has begun to work
					t.Errorf("it has begun to work:\n%s", text)
				}
			})
		}
	}
}

func TestAFileThatASettingNamesAndThatIsNotThereIsToldWithThePlaceOfTheSetting(t *testing.T) {
	for setting, programs := range map[string][]string{
		"kafka-ca-file: nowhere.pem":                                          {"ingest", "detector", "alerter"},
		"kafka-password-file: nowhere.txt\nkafka-sasl: PLAIN\nkafka-user: me": {"ingest", "detector", "alerter"},
		"nats-password-file: nowhere.txt\nnats-user: me":                      {"alerter"},
		"networks: nowhere.yaml":                                              {"ingest", "detector"},
		"country-db: nowhere.mmdb":                                            {"ingest", "detector"},
		"exceptions: nowhere.yaml":                                            {"detector"},
		"rules: nowhere.yaml":                                                 {"detector"},
	} {
		for _, program := range programs {
			file := filepath.Join(t.TempDir(), "settings.yaml")
			if err := os.WriteFile(file, []byte("admin: 127.0.0.1:0\n"+setting), 0o600); err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(setting, ": ")
			r := runToEnd(t, program, "--settings="+file)
			if says := file + ":2: " + name + ": "; r.code != 3 || !strings.Contains(r.stderr, says) || !strings.Contains(r.stderr, "no such file") {
				t.Errorf("%s, %s: code %d: %s", program, setting, r.code, r.stderr)
			}
		}
	}
}

func TestASecretIsShownNeitherInTheSettingsNorInTheLog(t *testing.T) {
	nowhere := unused(t, "tcp")
	const secret = "correct-horse"
	text := fmt.Sprintf(`admin: 127.0.0.1:0
log: {level: debug, format: json}
kafka: {brokers: [%[1]q], sasl: PLAIN, user: ada, password: %[2]s}
nats: {url: ["nats://%[1]s"], user: ada, password: %[2]s}
listen: ["127.0.0.1:0"]
`, nowhere, secret)
	w := &world{t: t, settings: filepath.Join(t.TempDir(), "settings.yaml")}
	if err := os.WriteFile(w.settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ingest", "detector", "alerter"} {
		p := w.launch(name)
		eventually(t, name+" has tried to log in", func() bool { return len(p.warnings(nowhere)) > 0 })
		for _, path := range []string{"/config", "/readyz", "/metrics", "/version", "/debug/pprof/", "/"} {
			if _, body := p.get(path); strings.Contains(body, secret) {
				t.Errorf("%s shows it at %s:\n%s", name, path, body)
			}
		}
		if _, body := p.get("/config"); !strings.Contains(body, `kafka-password: "***"`) {
			t.Errorf("/config of %s does not say that there is one:\n%s", name, body)
		}
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d", name, code)
		}
		if strings.Contains(p.stderr.text(), secret) {
			t.Errorf("%s has logged it", name)
		}
	}
}

func TestASecondIngestOnThePortIsToldWhoHasIt(t *testing.T) {
	w := newWorld(t)
	in := w.launch("ingest")
	port := in.listens()
	r := runToEnd(t, "ingest", "--settings="+w.settings, "--listen="+port.String())
	for _, says := range []string{port.String(), fmt.Sprintf("ss -ulpn 'sport = :%d'", port.Port())} {
		if !strings.Contains(r.stderr, says) {
			t.Errorf("it does not say %q, but:\n%s", says, r.stderr)
		}
	}
	if r.code == 0 {
		t.Error("it ended with 0")
	}
}

func TestAnAdminPortInUseIsAMistakeInTheSettings(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w := newWorld(t)
	for _, name := range []string{"ingest", "detector", "alerter"} {
		r := runToEnd(t, name, "--settings="+w.settings, "--admin="+taken.Addr().String())
		if r.code != 3 || !strings.Contains(r.stderr, "--admin: admin: another program listens on "+taken.Addr().String()) {
			t.Errorf("%s ended with %d and:\n%s", name, r.code, r.stderr)
		}
	}
	text, err := os.ReadFile(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "taken.yaml")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("127.0.0.1:0 # admin"), []byte(taken.Addr().String())), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runToEnd(t, "detector", "--settings="+file); r.code != 3 || !strings.Contains(r.stderr, file+":1: admin: another program listens on") {
		t.Errorf("detector ended with %d and:\n%s", r.code, r.stderr)
	}
}
