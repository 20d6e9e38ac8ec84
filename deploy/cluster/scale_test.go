package cluster_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
)

// quick is the lab with the scaler, in a hurry: what takes minutes there takes seconds here.
const quick = `
resources: [../lab]
components: [../../components/keda]
patches:
- target: {kind: Deployment, name: ingest|alerter}
  patch: |
    - {op: replace, path: /spec/replicas, value: 2}
- target: {kind: ScaledObject}
  patch: |
    - {op: replace, path: /spec/pollingInterval, value: 2}
    - {op: replace, path: /spec/triggers/0/metadata/bootstrapServers, value: "kafka.scanhound-lab.svc:9092"}
    - {op: replace, path: /spec/triggers/0/metadata/lagThreshold, value: "15"}
    - {op: replace, path: /spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleUp/stabilizationWindowSeconds, value: 0}
    - {op: replace, path: /spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleUp/policies/0/periodSeconds, value: 15}
    - {op: replace, path: /spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/stabilizationWindowSeconds, value: 10}
    - {op: replace, path: /spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/policies/0/periodSeconds, value: 10}
`

func TestDetectorsFollowTheLagAndNoAlertIsLostOrComesTwice(t *testing.T) {
	p := control(t)
	conn := p.brokers(t)
	p.keda(t)
	k := p.kubelet(t)
	dir := manifests(t)
	overlay(t, dir, "quick", quick)
	began := time.Now()
	p.kubectl(t, namespaces(p.kubectl(t, "", "kustomize", dir+"/overlays/quick")), "apply", "-f", "-")
	p.kubectl(t, "", "apply", "-k", dir+"/overlays/quick")
	p.allReady(t, 2*time.Minute)
	t.Logf("all programs run and are ready %v after apply", time.Since(began).Round(time.Second))

	g := &generator{kubelet: k, scanners: map[string]time.Time{}, heard: map[string]bool{}}
	g.listen(t, conn)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); g.run(ctx, t) }()
	defer func() { cancel(); <-done }()
	passed := func(what string) {
		t.Helper()
		waited := g.waited()
		t.Logf("%s: the slowest alert took %v", what, waited)
		if waited > time.Minute {
			t.Errorf("%s: an alert took %v", what, waited)
		}
	}

	g.rate.Store(10)
	p.settles(t, 2, 30*time.Second)
	passed("two detectors")
	g.rate.Store(3000)
	p.reaches(t, "six", func(n int) bool { return n >= 6 }, 2*time.Minute)
	p.reaches(t, "as many as partitions", func(n int) bool { return n == 12 }, 2*time.Minute)
	p.allReady(t, 2*time.Minute)
	passed("up to twelve")
	p.kubectl(t, "", "-n", "scanhound", "rollout", "restart", "statefulset/detector", "deployment/ingest", "deployment/alerter")
	p.allReady(t, 4*time.Minute)
	passed("every program restarted")
	k.isSpread(t)
	p.isProtected(t)
	p.allReady(t, time.Minute)

	// What a lost node had received and not written is gone: no scan falls into this moment.
	g.calm.Store(true)
	time.Sleep(time.Second)
	t.Logf("a node is lost, with %v", k.lose("ours-b"))
	g.calm.Store(false)
	time.Sleep(20 * time.Second)
	passed("a node lost")
	p.kubectl(t, "", "delete", "node", "ours-b")
	p.allReady(t, 3*time.Minute)
	passed("its pods elsewhere")

	g.rate.Store(10)
	steps := p.downTo(t, 2, 5*time.Minute)
	t.Logf("down in steps: %v", steps)
	for i, n := range steps[1:] {
		if steps[i]-n > 1 {
			t.Errorf("went from %d to %d detectors: want one at a time", steps[i], n)
		}
	}
	passed("down to two")
	g.rate.Store(0)
	eventually(t, time.Minute, "every scanner has its alert", func() error {
		if missing := g.judge(t, alerts(t, conn)); missing > 0 {
			return fmt.Errorf("%d of %d have none", missing, len(g.scanners))
		}
		return nil
	})
	t.Logf("%d scanners, one alert each", len(g.scanners))
	p.remove(t)
}

// isSpread: the zones have as many detectors each, or nearly so.
func (k *kubelet) isSpread(t *testing.T) {
	t.Helper()
	by := map[string]int{"ours-a": 0, "ours-b": 0, "ours-c": 0}
	for _, p := range k.running("detector", false) {
		by[p.spec.Spec.NodeName]++
	}
	least, most := 99, 0
	for _, n := range by {
		least, most = min(least, n), max(most, n)
	}
	if t.Logf("detectors by node: %v", by); most-least > 2 {
		t.Error("they are not spread")
	}
}

// isProtected: a node that is drained takes one detector at a time.
func (p *plane) isProtected(t *testing.T) {
	t.Helper()
	evict := func(name string) error {
		return p.api(t).do(http.MethodPost, "/api/v1/namespaces/scanhound/pods/"+name+"/eviction", map[string]any{
			"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]any{"name": name, "namespace": "scanhound"},
		}, nil)
	}
	if err := evict("detector-0"); err != nil {
		t.Error(err)
	}
	if err := evict("detector-1"); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("a second detector may be evicted: %v", err)
	}
}

// remove takes all away again.
func (p *plane) remove(t *testing.T) {
	t.Helper()
	p.kubectl(t, "", "delete", "namespace", "scanhound", "scanhound-lab", "--ignore-not-found")
}

func (p *plane) detectors(t *testing.T) (wanted, ready int) {
	t.Helper()
	var s apps.StatefulSet
	if err := p.api(t).do(http.MethodGet, "/apis/apps/v1/namespaces/scanhound/statefulsets/detector", nil, &s); err != nil {
		t.Fatal(err)
	}
	return int(*s.Spec.Replicas), int(s.Status.ReadyReplicas)
}

// reaches waits until the scaler has asked for so many detectors.
func (p *plane) reaches(t *testing.T, what string, enough func(int) bool, patience time.Duration) {
	t.Helper()
	took := eventually(t, patience, what, func() error {
		if n, _ := p.detectors(t); !enough(n) {
			return fmt.Errorf("%d detectors are wanted", n)
		}
		return nil
	})
	t.Logf("%s: after %v", what, took.Round(time.Second))
}

// settles: n detectors are wanted, and stay so.
func (p *plane) settles(t *testing.T, n int, stay time.Duration) {
	t.Helper()
	p.reaches(t, strconv.Itoa(n), func(have int) bool { return have == n }, 2*time.Minute)
	for end := time.Now().Add(stay); time.Now().Before(end); time.Sleep(time.Second) {
		if have, _ := p.detectors(t); have != n {
			t.Errorf("%d detectors are wanted, want %d to stay", have, n)
			return
		}
	}
}

// downTo returns the numbers of detectors on the way.
func (p *plane) downTo(t *testing.T, least int, patience time.Duration) (steps []int) {
	t.Helper()
	eventually(t, patience, "down again", func() error {
		n, _ := p.detectors(t)
		if len(steps) == 0 || steps[len(steps)-1] != n {
			steps = append(steps, n)
		}
		if n > least {
			return fmt.Errorf("%d detectors are wanted", n)
		}
		return nil
	})
	return steps
}
