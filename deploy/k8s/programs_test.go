package k8s_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// A program that finds a setting wrong ends with 3; one that only misses Kafka with 4.
const noBroker = 4

func TestTheProgramsAcceptTheSettingsOfEveryPod(t *testing.T) {
	bin, files := programs(t), load(t)
	for _, dir := range files.variants() {
		d, err := files.build(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range d.workloads() {
			if w.ours() {
				t.Run(dir+"/"+w.Name, func(t *testing.T) {
					t.Parallel()
					want := noBroker
					if w.Name == "scanhound" { // it brings the brokers, and is told to end when it has started
						want = 0
					}
					if code, log := run(t, bin, d, &w); code != want || strings.Contains(log, "name no setting") {
						t.Errorf("ended with %d:\n%s", code, log)
					}
				})
			}
		}
	}
	t.Run("misspelt", func(t *testing.T) { aMisspeltSettingIsRefused(t, bin, files) })
}

// aMisspeltSettingIsRefused: else the test above could not fail.
func aMisspeltSettingIsRefused(t *testing.T, bin string, files tree) {
	files["base/settings.yaml"] += "intrnal: [10.0.0.0/8]\n"
	d, err := files.build("base")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range d.workloads() {
		if code, log := run(t, bin, d, &w); code != 3 || !strings.Contains(log, "intrnal") {
			t.Errorf("%s ended with %d:\n%s", w.Name, code, log)
		}
	}
}

// programs builds them.
func programs(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/ingest", "./cmd/detector", "./cmd/alerter", "./cmd/scanhound")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// run starts the pod's program with all that the pod gives it, where no broker is.
func run(t *testing.T, bin string, d *deployment, w *workload) (code int, log string) {
	t.Helper()
	root := t.TempDir()
	c := w.pod.Spec.Containers[0]
	for _, m := range c.VolumeMounts {
		for _, v := range w.pod.Spec.Volumes {
			if v.Name == m.Name {
				mount(t, root, m.MountPath, d, w.Namespace, &v)
			}
		}
	}
	var args []string
	for _, a := range c.Args {
		if !strings.HasPrefix(a, "--admin=") && !strings.HasPrefix(a, "--data=") && !strings.HasPrefix(a, "--nats-listen=") {
			args = append(args, strings.ReplaceAll(a, "/etc/scanhound", root+"/etc/scanhound"))
		}
	}
	args = append(args, "--admin=127.0.0.1:0")
	switch w.Name {
	case "scanhound":
		args = append(args, "--data="+t.TempDir(), "--listen=127.0.0.1:0", "--nats-listen=127.0.0.1:0")
	case "ingest", "ingest-edge":
		args = append(args, "--listen=127.0.0.1:0", "--start-timeout=1ms", "--kafka-brokers=127.0.0.1:1")
	default:
		args = append(args, "--start-timeout=1ms", "--kafka-brokers=127.0.0.1:1")
	}
	cmd := exec.Command(filepath.Join(bin, strings.TrimPrefix(c.Command[0], "/bin/")), args...)
	for _, e := range c.Env {
		if e.ValueFrom != nil {
			e.Value = w.Name + "-0" // metadata.name
		}
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if w.Name == "scanhound" && strings.Contains(lines.Text(), `"msg":"started"`) {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// mount writes a volume as the kubelet would show it, below root.
func mount(t *testing.T, root, at string, d *deployment, namespace string, v *core.Volume) {
	t.Helper()
	data := map[string]string{}
	switch {
	case v.ConfigMap != nil:
		for name, text := range d.configMap(namespace, v.ConfigMap.Name).Data {
			data[name] = strings.ReplaceAll(text, "/etc/scanhound", root+"/etc/scanhound")
		}
	case v.Secret != nil: // as Strimzi makes them
		data["password"], data["ca.crt"] = "s3cret\n", certificate(t)
	}
	if err := os.MkdirAll(root+at, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range data {
		if err := os.WriteFile(filepath.Join(root+at, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
