package cluster_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A kubelet runs what the scheduler has placed on the nodes ours-a, ours-b and ours-c. A pod of one of
// our programs is a process with the pod's command, arguments, environment, files, user and read-only
// root, in a network namespace of its own; its probes decide whether it is ready, and its deletion is
// preStop, SIGTERM, grace and SIGKILL. Any other pod is said to be ready without a process: Kafka
// and NATS run beside.
type kubelet struct {
	*plane
	t   *testing.T
	api *api

	mu   sync.Mutex
	pods map[types.UID]*pod
	lost map[string]bool // nodes that are no more
}

func (p *plane) kubelet(t *testing.T) *kubelet {
	t.Helper()
	k := &kubelet{plane: p, t: t, api: p.api(t), pods: map[types.UID]*pod{}, lost: map[string]bool{}}
	p.kubectl(t, nodes("ours"), "apply", "-f", "-")
	k.heartbeat()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		look, beat := time.NewTicker(250*time.Millisecond), time.NewTicker(5*time.Second)
		defer look.Stop()
		defer beat.Stop()
		for {
			select {
			case <-stop:
				return
			case <-beat.C:
				k.heartbeat()
			case <-look.C:
				k.look()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, p := range k.pods {
			p.kill()
		}
	})
	return k
}

// heartbeat says that the nodes are there.
func (k *kubelet) heartbeat() {
	now := time.Now().UTC().Format(time.RFC3339)
	for _, zone := range []string{"a", "b", "c"} {
		if k.isLost("ours-" + zone) {
			continue
		}
		ready := map[string]any{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now, "lastTransitionTime": now}
		if err := k.api.do(http.MethodPatch, "/api/v1/nodes/ours-"+zone+"/status", map[string]any{"status": map[string]any{"conditions": []any{ready}}}, nil); err != nil {
			k.t.Log("kubelet: ", err)
		}
	}
}

func (k *kubelet) isLost(node string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost[node]
}

// lose takes a node away as a power cut does: its processes are killed at once, and nobody says so.
func (k *kubelet) lose(node string) (gone []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lost[node] = true
	for _, p := range k.pods {
		if p.spec.Spec.NodeName == node {
			p.kill()
			gone = append(gone, p.spec.Name)
		}
	}
	return gone
}

// look compares what the API server wants with what runs.
func (k *kubelet) look() {
	var list core.PodList
	if err := k.api.do(http.MethodGet, "/api/v1/pods", nil, &list); err != nil {
		k.t.Log("kubelet: ", err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	wanted := map[types.UID]bool{}
	for i := range list.Items {
		spec := &list.Items[i]
		wanted[spec.UID] = true
		have := k.pods[spec.UID]
		switch {
		case !strings.HasPrefix(spec.Spec.NodeName, "ours-") || k.lost[spec.Spec.NodeName]:
		case have == nil && spec.DeletionTimestamp != nil:
			go k.forget(spec)
		case have == nil:
			k.made++
			p := &pod{kubelet: k, spec: spec, number: k.made, ended: make(chan struct{})}
			k.pods[spec.UID] = p
			go p.run()
		case spec.DeletionTimestamp != nil && !have.stopping:
			have.stopping = true
			go have.stop(*spec.DeletionGracePeriodSeconds)
		}
	}
	for uid, p := range k.pods {
		if !wanted[uid] {
			p.kill()
			delete(k.pods, uid)
		}
	}
}

// forget says that nothing of the pod runs any more.
func (k *kubelet) forget(spec *core.Pod) {
	if err := k.api.do(http.MethodDelete, fmt.Sprintf("/api/v1/namespaces/%s/pods/%s?gracePeriodSeconds=0", spec.Namespace, spec.Name), nil, nil); err != nil {
		k.t.Log("kubelet: ", err)
	}
}

// running returns the pods of one program whose process runs, ready ones alone if asked.
func (k *kubelet) running(program string, ready bool) (all []*pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pods {
		if p.spec.Labels["app.kubernetes.io/name"] == program && !p.stopping && p.alive.Load() && (!ready || p.ready.Load()) {
			all = append(all, p)
		}
	}
	return all
}
