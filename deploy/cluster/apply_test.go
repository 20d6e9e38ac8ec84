package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nodes are three, each in its zone; kwok says of them and their pods that they are ready.
func nodes(kind string) string {
	var text strings.Builder
	for _, zone := range []string{"a", "b", "c"} {
		fmt.Fprintf(&text, `---
apiVersion: v1
kind: Node
metadata:
  name: %[1]s-%[2]s
  annotations: {kwok.x-k8s.io/node: %[1]s}
  labels: {topology.kubernetes.io/zone: zone-%[2]s, kubernetes.io/hostname: %[1]s-%[2]s, kubernetes.io/os: linux}
status:
  allocatable: {cpu: "32", memory: 256Gi, pods: "110"}
  capacity: {cpu: "32", memory: 256Gi, pods: "110"}
`, kind, zone)
	}
	return text.String()
}

// manifests is a copy of deploy/k8s, with a folder for each component on the base alone.
func manifests(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "k8s")
	if err := os.CopyFS(dir, os.DirFS("../k8s")); err != nil {
		t.Fatal(err)
	}
	overlay(t, dir, "with-edge", "resources: [../../base]\ncomponents: [../../components/edge]\n")
	for _, name := range []string{"keda", "strimzi", "nack", "prometheus"} {
		overlay(t, dir, "with-"+name, "resources: [../../base]\ncomponents: [../../components/"+name+"]\n")
	}
	overlay(t, dir, "production-edge", "resources: [../production]\ncomponents: [../production/edge]\n")
	return dir
}

func overlay(t *testing.T, dir, name, text string) {
	t.Helper()
	at := filepath.Join(dir, "overlays", name)
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryVariantIsTakenWithoutAWarningAndItsPodsBecomeReady(t *testing.T) {
	p := control(t)
	p.kubectl(t, nodes("fake"), "apply", "-f", "-")
	kwok := p.start(t, "kwok", "--kubeconfig="+p.kubeconfig, "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
		"--config="+filepath.Join(p.bin, "../stages.yaml"))
	dir := manifests(t)
	for _, variant := range []string{"base", "overlays/lab", "overlays/with-edge", "overlays/with-keda", "overlays/with-strimzi", "overlays/with-nack",
		"overlays/with-prometheus", "overlays/production", "overlays/production-edge", "components/standalone"} {
		t.Run(variant, func(t *testing.T) {
			at := filepath.Join(dir, variant)
			if strings.Contains(variant, "strimzi") || strings.Contains(variant, "nack") || strings.Contains(variant, "production") {
				if _, err := p.try("", "get", "crd", "kafkatopics.kafka.strimzi.io", "streams.jetstream.nats.io"); err != nil {
					t.Skip("the CRDs of Strimzi and NACK are not here: SCANHOUND_CRDS names their folder")
				}
			}
			p.kubectl(t, namespaces(p.kubectl(t, "", "kustomize", at)), "apply", "-f", "-")
			p.kubectl(t, "", "apply", "-k", at, "--dry-run=server")
			p.kubectl(t, "", "apply", "-k", at)
			took := p.allReady(t, 60*time.Second)
			t.Logf("all pods are ready after %v", took.Round(100*time.Millisecond))
		})
	}
	t.Run("mutations", func(t *testing.T) { p.mutations(t) })
	p.kubectl(t, "", "delete", "namespace", "scanhound", "scanhound-edge", "scanhound-lab")
	p.kubectl(t, "", "delete", "node", "fake-a", "fake-b", "fake-c")
	_ = kwok.Process.Kill()
}

// namespaces are those of what kustomize has built: a dry run wants them to exist.
func namespaces(built string) string {
	var found []string
	for _, object := range strings.Split(built, "\n---\n") {
		if strings.Contains("\n"+object, "\nkind: Namespace\n") {
			found = append(found, object)
		}
	}
	return strings.Join(found, "\n---\n")
}

// allReady waits until every workload has all the pods that it wants.
func (p *plane) allReady(t *testing.T, patience time.Duration) time.Duration {
	t.Helper()
	return eventually(t, patience, "all pods are ready", func() error {
		out, err := p.try("", "get", "deployments,statefulsets,daemonsets", "-A", "-o",
			`jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation} {.status.observedGeneration} {.spec.replicas}{.status.desiredNumberScheduled} {.status.readyReplicas}{.status.numberReady} {.status.updatedReplicas}{.status.updatedNumberScheduled}{"\n"}{end}`)
		if err != nil {
			return err
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) < 3 {
			return fmt.Errorf("only %q is there", lines)
		}
		for _, line := range lines {
			f := strings.Fields(line)
			if len(f) < 6 || f[1] != f[2] || f[3] != f[4] || f[3] != f[5] {
				return fmt.Errorf("not ready: name, generation, observed, wanted, ready, updated: %s", line)
			}
		}
		return nil
	})
}

func (p *plane) mutations(t *testing.T) {
	for _, c := range []struct{ name, file, from, to, says string }{
		{"a typo in a field", "base/detector.yaml", "podManagementPolicy", "podManagmentPolicy", "unknown field"},
		{"preStop beyond the grace period", "base/ingest.yaml", "seconds: 5", "seconds: 46", "terminationGracePeriodSeconds"},
		{"a port of the node in the main namespace", "base/ingest.yaml", "containerPort: 2055,", "containerPort: 2055, hostPort: 2055,", "hostPort"},
		{"a selector that matches nothing", "base/alerter.yaml", "matchLabels: {app.kubernetes.io/name: alerter}\n  template", "matchLabels: {app.kubernetes.io/name: alertr}\n  template", "selector"},
		{"a field that KEDA does not have", "components/keda/detector.yaml", "minReplicaCount", "minReplicas", "minReplicas"},
		{"a profile of security that is not restricted", "base/detector.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := manifests(t)
			file := filepath.Join(dir, c.file)
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			after := strings.Replace(string(before), c.from, c.to, 1)
			if after == string(before) {
				t.Fatalf("%s does not hold %q any more", c.file, c.from)
			}
			if err := os.WriteFile(file, []byte(after), 0o644); err != nil {
				t.Fatal(err)
			}
			at := filepath.Join(dir, "base")
			if strings.Contains(c.file, "keda") {
				at = filepath.Join(dir, "overlays/with-keda")
			}
			if _, err := p.try("", "apply", "-k", at, "--dry-run=server"); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("want a refusal or a warning about %s, have: %v", c.says, err)
			}
		})
	}
}
