package cluster_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
)

// A pod of the kubelet.
type pod struct {
	*kubelet
	spec     *core.Pod
	number   int
	stopping bool // guarded by the kubelet's mu

	alive, ready atomic.Bool
	restarts     int
	began        time.Time

	mu      sync.Mutex
	process *exec.Cmd
	over    bool // no process starts any more
	killed  bool // by the test
	ended   chan struct{}
	once    sync.Once
}

func (p *pod) container() *core.Container { return &p.spec.Spec.Containers[0] }
func (p *pod) name() string               { return p.spec.Namespace + "/" + p.spec.Name }

func (p *pod) address() string {
	if p.ours() {
		return fmt.Sprintf("10.244.78.%d", p.number)
	}
	return host
}

func (p *pod) ours() bool { return strings.HasPrefix(p.container().Image, "scanhound") }

// run starts the pod's program, and starts it again when it ends by itself.
func (p *pod) run() {
	p.began = time.Now()
	if !p.ours() {
		p.alive.Store(true)
		p.say(true)
		return
	}
	defer p.once.Do(func() { close(p.ended) })
	for err := p.prepare(); err != nil; err = p.prepare() { // a secret may come later
		if !errors.Is(err, errMissing) {
			p.t.Errorf("%s: %v", p.name(), err)
			return
		}
		time.Sleep(time.Second)
		p.mu.Lock()
		over := p.over
		p.mu.Unlock()
		if over {
			return
		}
	}
	for ; ; p.restarts++ {
		cmd, err := p.startProcess()
		if err != nil || cmd == nil {
			if err != nil {
				p.t.Errorf("%s: %v", p.name(), err)
			}
			return
		}
		p.alive.Store(true)
		p.say(false)
		gone := make(chan struct{})
		go p.probe(gone)
		err = cmd.Wait()
		close(gone)
		p.alive.Store(false)
		p.ready.Store(false)
		p.mu.Lock()
		over := p.over
		p.mu.Unlock()
		if over {
			return
		}
		p.t.Logf("%s: %s ended by itself: %v", p.name(), p.container().Name, err)
		p.say(false)
		time.Sleep(time.Second) // CrashLoopBackOff, shorter
	}
}

// errMissing: an object that a volume is made of is not there.
var errMissing = errors.New("is missing")

// prepare makes the pod's root and its network.
func (p *pod) prepare() error {
	root := p.root()
	program := filepath.Base(p.container().Command[0])
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	for _, dir := range []string{"bin", "etc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Link(filepath.Join(p.bin, program), filepath.Join(root, "bin", program)); err != nil {
		text, err := os.ReadFile(filepath.Join(p.bin, program)) // another disk
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, "bin", program), text, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/hosts"), []byte(hosts), 0o644); err != nil {
		return err
	}
	for _, m := range p.container().VolumeMounts {
		for _, v := range p.spec.Spec.Volumes {
			if v.Name == m.Name {
				if err := p.mount(filepath.Join(root, m.MountPath), &v); err != nil {
					return err
				}
			}
		}
	}
	net := fmt.Sprintf("pod%d", p.number)
	steps := []string{"mount --bind " + root + " " + root, "mount -o remount,bind,ro " + root}
	for _, m := range p.container().VolumeMounts {
		if !m.ReadOnly {
			steps = append(steps, "mount --bind "+p.at(p.spec.Name+"-"+m.Name)+" "+filepath.Join(root, m.MountPath))
		}
	}
	for _, step := range append(steps,
		"ip netns add "+net, "ip link add "+net+" type veth peer name eth0 netns "+net, "ip link set "+net+" master pods up",
		"ip -n "+net+" link set lo up", "ip -n "+net+" addr add "+p.address()+"/16 dev eth0", "ip -n "+net+" link set eth0 up",
	) {
		f := strings.Fields(step)
		if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", step, err, out)
		}
	}
	return nil
}

func (p *pod) root() string { return p.at(fmt.Sprintf("root%d", p.number)) }

// mount writes the files of a volume. A missing object is an error unless the volume says otherwise.
func (p *pod) mount(at string, v *core.Volume) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	files := map[string][]byte{}
	where, optional := "/api/v1/namespaces/"+p.spec.Namespace, false
	var err error
	switch {
	case v.ConfigMap != nil:
		var c core.ConfigMap
		err = p.api.do(http.MethodGet, where+"/configmaps/"+v.ConfigMap.Name, nil, &c)
		for name, text := range c.Data {
			files[name] = []byte(text)
		}
	case v.Secret != nil:
		var s core.Secret
		optional = v.Secret.Optional != nil && *v.Secret.Optional
		err = p.api.do(http.MethodGet, where+"/secrets/"+v.Secret.SecretName, nil, &s)
		files = s.Data
	case v.PersistentVolumeClaim != nil: // a folder that outlives the pod, mounted over this one
		disk := p.at(p.spec.Name + "-" + v.Name)
		if err := os.MkdirAll(disk, 0o700); err != nil {
			return err
		}
		if err := os.Chown(disk, 0, int(*p.spec.Spec.SecurityContext.FSGroup)); err != nil {
			return err
		}
		return os.Chmod(disk, 0o770|os.ModeSetgid)
	default:
		return fmt.Errorf("volume %s: this kubelet knows ConfigMaps, Secrets and claims alone", v.Name)
	}
	if err != nil && !optional {
		return fmt.Errorf("volume %s %w: %w", v.Name, errMissing, err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(at, name), text, 0o440); err != nil {
			return err
		}
		if err := os.Chown(filepath.Join(at, name), 0, int(*p.spec.Spec.SecurityContext.FSGroup)); err != nil {
			return err
		}
	}
	return nil
}

func (p *pod) startProcess() (*exec.Cmd, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil, nil
	}
	user := *p.spec.Spec.SecurityContext
	argv := []string{"netns", "exec", fmt.Sprintf("pod%d", p.number), "chroot", fmt.Sprintf("--userspec=%d:%d", *user.RunAsUser, *user.RunAsGroup), p.root()}
	cmd := exec.Command("ip", append(append(argv, p.container().Command...), p.container().Args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=" + p.spec.Name, "KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443"}
	for _, e := range p.container().Env {
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "metadata.name" {
			e.Value = p.spec.Name
		}
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	log, err := os.OpenFile(p.at(p.spec.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	p.process = cmd
	return cmd, cmd.Start()
}

// probe asks the probes until the process has gone: every second until the first success, then as the pod says.
func (p *pod) probe(gone chan struct{}) {
	failures, deaf := 0, 0
	for wait := time.Second; ; {
		select {
		case <-gone:
			return
		case <-time.After(wait):
		}
		readiness, liveness := p.container().ReadinessProbe, p.container().LivenessProbe
		if p.asks(liveness) {
			deaf = 0
		} else if deaf++; deaf >= int(liveness.FailureThreshold) && time.Since(p.began) > 30*time.Second {
			p.t.Errorf("%s: the liveness probe failed %d times", p.name(), deaf)
			_ = p.process.Process.Kill()
			return
		}
		was := p.ready.Load()
		if p.asks(readiness) {
			failures = 0
			wait = time.Duration(readiness.PeriodSeconds) * time.Second
			p.ready.Store(true)
		} else if failures++; failures >= int(readiness.FailureThreshold) {
			p.ready.Store(false)
			wait = time.Second
		}
		if p.ready.Load() != was {
			p.say(p.ready.Load())
		}
	}
}

var prober = http.Client{Timeout: time.Second}

func (p *pod) asks(probe *core.Probe) bool {
	for _, port := range p.container().Ports {
		if port.Name == probe.HTTPGet.Port.StrVal {
			resp, err := prober.Get(fmt.Sprintf("http://%s:%d%s", p.address(), port.ContainerPort, probe.HTTPGet.Path))
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode < 400
		}
	}
	return false
}

// say writes the pod's status.
func (p *pod) say(ready bool) {
	now := time.Now().UTC().Format(time.RFC3339)
	word := map[bool]string{true: "True", false: "False"}[ready]
	condition := func(kind, status string) map[string]any {
		return map[string]any{"type": kind, "status": status, "lastTransitionTime": now}
	}
	status := map[string]any{
		"phase": "Running", "hostIP": host, "podIP": p.address(), "podIPs": []any{map[string]any{"ip": p.address()}}, "startTime": p.began.UTC().Format(time.RFC3339),
		"conditions": []any{condition("PodScheduled", "True"), condition("Initialized", "True"), condition("ContainersReady", word), condition("Ready", word)},
		"containerStatuses": []any{map[string]any{
			"name": p.container().Name, "image": p.container().Image, "imageID": p.container().Image, "ready": ready, "started": true, "restartCount": p.restarts,
			"state": map[string]any{"running": map[string]any{"startedAt": now}},
		}},
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/status", p.spec.Namespace, p.spec.Name)
	if err := p.api.do(http.MethodPatch, path, map[string]any{"metadata": map[string]any{"uid": p.spec.UID}, "status": status}, nil); err != nil && !strings.Contains(err.Error(), "404") {
		p.t.Log("kubelet: ", err)
	}
}

// stop is what a kubelet does when the pod is deleted. That SIGKILL was needed is a failure.
func (p *pod) stop(grace int64) {
	if !p.ours() {
		p.forget(p.spec)
		return
	}
	p.say(p.ready.Load())
	deadline := time.After(time.Duration(grace) * time.Second)
	if l := p.container().Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
		time.Sleep(time.Duration(l.PreStop.Sleep.Seconds) * time.Second)
	}
	p.mu.Lock()
	p.over = true
	process := p.process
	p.mu.Unlock()
	began := time.Now()
	if process != nil && process.Process != nil {
		_ = process.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-p.ended:
		if process != nil && process.ProcessState != nil && process.ProcessState.ExitCode() != 0 && !p.wasKilled() {
			p.t.Errorf("%s: ended with %v after SIGTERM:\n%s", p.name(), process.ProcessState, p.lastWords())
		}
		p.t.Logf("%s: ended %v after SIGTERM", p.name(), time.Since(began).Round(10*time.Millisecond))
	case <-deadline:
		p.t.Errorf("%s: still runs %d s after its deletion: SIGKILL\n%s", p.name(), grace, p.lastWords())
		p.kill()
	}
	p.forget(p.spec)
}

func (p *pod) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over, p.killed = true, true
	p.alive.Store(false)
	p.ready.Store(false)
	if p.process != nil && p.process.Process != nil {
		_ = p.process.Process.Kill()
	}
}

func (p *pod) wasKilled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

func (p *pod) lastWords() string {
	text, _ := os.ReadFile(p.at(p.spec.Name + ".log"))
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-8):], []byte("\n")))
}
