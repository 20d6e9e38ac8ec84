package cluster_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// commands are the blocks of the guide that are to be run; those in blocks of "console" need more than there is here.
var commands = regexp.MustCompile("(?s)\n```sh\n(.*?)```")

func TestTheGuideWorksWordForWord(t *testing.T) {
	p := control(t)
	p.brokers(t)
	p.keda(t)
	p.kubelet(t)
	if _, err := p.try("", "get", "crd", "kafkatopics.kafka.strimzi.io", "streams.jetstream.nats.io"); err != nil {
		t.Skip("the CRDs of Strimzi and NACK are not here: SCANHOUND_CRDS names their folder")
	}
	// What Strimzi would do.
	for _, user := range []string{"ingest", "detector", "alerter", "keda"} {
		p.kubectl(t, "", "-n", "kafka", "create", "secret", "generic", "scanhound-"+user, "--from-literal=password=s3cret")
	}
	p.kubectl(t, "", "-n", "kafka", "create", "secret", "generic", "kafka-cluster-ca-cert", "--from-file=ca.crt="+p.at("ca.crt"))
	text, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := commands.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 5 {
		t.Fatalf("%d blocks of commands", len(blocks))
	}
	for _, b := range blocks {
		if strings.Contains(b[1], "standalone") { // it takes the place of the rest
			p.remove(t)
		}
		began := time.Now()
		cmd := exec.Command("bash", "-euc", b[1])
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "KUBECONFIG="+p.kubeconfig, "PATH="+p.bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "Warning:") {
			t.Fatalf("%v after\n%s\n%s", err, b[1], out)
		}
		t.Logf("%v:\n%s", time.Since(began).Round(100*time.Millisecond), b[1])
	}
	p.remove(t)
}
