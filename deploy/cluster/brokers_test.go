package cluster_test

import (
	"crypto/x509/pkix"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// hosts is what a cluster's DNS would say.
const hosts = "127.0.0.1 localhost\n" + host + " kafka.scanhound-lab.svc nats.scanhound-lab.svc nowhere.scanhound-lab.svc\n"

// names lets what runs beside the pods find Kafka and NATS. The mounts are of this process alone.
func (p *plane) names(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(p.at("hosts"), []byte(hosts), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "--bind", p.at("hosts"), "/etc/hosts").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// kafka starts an empty one, or takes it away.
func kafka(t *testing.T, verb string) {
	t.Helper()
	cmd := exec.Command("../../tools/kafka/kafka.sh", verb)
	cmd.Env = append(os.Environ(), "KAFKA_HOST="+host, "KAFKA_PORT=9092")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("kafka.sh %s: %v: %s", verb, err, out)
	}
}

// brokers are an Apache Kafka and a NATS, at the ports that the lab's services have.
func (p *plane) brokers(t *testing.T) *nats.Conn {
	t.Helper()
	kafka(t, "down")
	kafka(t, "up")
	t.Cleanup(func() { kafka(t, "down") })
	server := p.start(t, "nats-server", "--jetstream", "--store_dir="+p.at("jetstream"), "--addr="+host, "--port=4222")
	t.Cleanup(func() { _ = server.Process.Kill() })
	var conn *nats.Conn
	eventually(t, 30*time.Second, "NATS answers", func() (err error) {
		conn, err = nats.Connect("nats://" + host + ":4222")
		return err
	})
	t.Cleanup(conn.Close)
	return conn
}

// keda starts KEDA's operator, and its metrics server, behind a service as it has in a cluster, once for all tests.
func (p *plane) keda(t *testing.T) {
	t.Helper()
	if p.scaling {
		return
	}
	p.scaling = true
	p.names(t)
	certs := p.at("keda")
	if err := os.MkdirAll(certs, 0o755); err != nil {
		t.Fatal(err)
	}
	p.ca.issue(t, "keda/tls", pkix.Name{CommonName: "keda"}, "127.0.0.1", "localhost", host)
	ca, err := os.ReadFile(p.at("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(certs, "ca.crt"), ca, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) {
		cmd := exec.Command(filepath.Join(p.bin, name), args...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+p.kubeconfig, "KEDA_CLUSTER_OBJECT_NAMESPACE=keda", "POD_NAMESPACE=keda", "POD_NAME="+name, "WATCH_NAMESPACE=")
		p.run(t, name, cmd)
	}
	run("keda-operator", "--kubeconfig="+p.kubeconfig, "--cert-dir="+certs, "--enable-webhook-patching=false", "--enable-apiservice-patching=false")
	run("keda-adapter", "--authentication-kubeconfig="+p.kubeconfig, "--authorization-kubeconfig="+p.kubeconfig, "--lister-kubeconfig="+p.kubeconfig,
		"--secure-port=6444", "--cert-dir="+certs, "--tls-cert-file="+certs+"/tls.crt", "--tls-private-key-file="+certs+"/tls.key",
		"--metrics-service-address=127.0.0.1:9666", "--port=8082")
	p.kubectl(t, strings.ReplaceAll(metricsService, "HOST", host), "apply", "-f", "-")
	eventually(t, 2*time.Minute, "KEDA's metrics are served", func() error {
		_, err := p.try("", "get", "--raw", "/apis/external.metrics.k8s.io/v1beta1")
		return err
	})
}

const metricsService = `
apiVersion: v1
kind: Service
metadata: {name: keda-metrics-apiserver, namespace: keda}
spec: {ports: [{name: https, port: 443, targetPort: 6444, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: keda-metrics-apiserver-1, namespace: keda, labels: {kubernetes.io/service-name: keda-metrics-apiserver}}
addressType: IPv4
endpoints: [{addresses: ["HOST"], conditions: {ready: true}}]
ports: [{name: https, port: 6444, protocol: TCP}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  group: external.metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: keda-metrics-apiserver, namespace: keda, port: 443}
`
