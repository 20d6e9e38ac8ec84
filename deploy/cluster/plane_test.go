// Package cluster_test runs what ../k8s makes on a real Kubernetes API server with its controllers and
// scheduler, without any container runtime. The nodes are kwok's where it is enough that a pod is
// taken and scheduled; where the programs must run, a kubelet of ours runs them.
//
// It wants root, for network namespaces, and what build.sh builds: `make test-k8s` does both, in
// namespaces of its own, so that nothing is left and no port is taken.
package cluster_test

import (
	"bytes"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// host is this machine in the network of the pods.
const host = "10.244.77.1"

// A plane is one control plane.
type plane struct {
	bin, dir   string
	ca         *authority
	kubeconfig string
	scaling    bool // KEDA runs
	made       int  // pods so far: each has a root and an address of its own
}

var (
	theOne   *plane
	planning sync.Mutex
)

// control starts the control plane, once for all tests. It ends with the process.
func control(t *testing.T) *plane {
	t.Helper()
	cache := os.Getenv("SCANHOUND_K8S")
	if cache == "" {
		t.Skip("make test-k8s runs this")
	}
	planning.Lock()
	defer planning.Unlock()
	if theOne != nil {
		return theOne
	}
	dir, err := os.MkdirTemp("", "scanhound-k8s")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the pods' users pass through
		t.Fatal(err)
	}
	p := &plane{bin: filepath.Join(cache, "bin"), dir: dir}
	network(t)
	p.ca = newAuthority(t, dir)
	p.ca.issue(t, "sa", pkix.Name{CommonName: "sa"})
	p.ca.issue(t, "apiserver", pkix.Name{CommonName: "kube-apiserver"}, host, "10.96.0.1", "127.0.0.1", "localhost", "kubernetes.default.svc")
	p.ca.issue(t, "frontproxy", pkix.Name{CommonName: "front-proxy-client"})
	p.kubeconfig = p.login(t, "admin", pkix.Name{Organization: []string{"system:masters"}, CommonName: "admin"})
	p.start(t, "etcd", "--data-dir="+p.at("etcd"), "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync")
	p.start(t, "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address="+host, "--advertise-address="+host, "--secure-port=6443",
		"--tls-cert-file="+p.at("apiserver.crt"), "--tls-private-key-file="+p.at("apiserver.key"), "--client-ca-file="+p.at("ca.crt"),
		"--service-account-key-file="+p.at("sa.pub"), "--service-account-signing-key-file="+p.at("sa.key"), "--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC", "--endpoint-reconciler-type=none", "--enable-aggregator-routing=true",
		"--requestheader-client-ca-file="+p.at("ca.crt"), "--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+p.at("frontproxy.crt"), "--proxy-client-key-file="+p.at("frontproxy.key"))
	eventually(t, 2*time.Minute, "the API server is ready", func() error { _, err := p.try("", "get", "--raw", "/readyz"); return err })
	manager := p.login(t, "manager", pkix.Name{CommonName: "system:kube-controller-manager"})
	p.start(t, "kube-controller-manager", "--kubeconfig="+manager, "--leader-elect=false", "--service-account-private-key-file="+p.at("sa.key"),
		"--root-ca-file="+p.at("ca.crt"), "--use-service-account-credentials=true", "--horizontal-pod-autoscaler-sync-period=2s", "--bind-address=127.0.0.1")
	scheduler := p.login(t, "scheduler", pkix.Name{CommonName: "system:kube-scheduler"})
	p.start(t, "kube-scheduler", "--kubeconfig="+scheduler, "--leader-elect=false", "--bind-address=127.0.0.1")
	p.operators(t)
	theOne = p
	return p
}

// operators makes what the components expect of a cluster: the kinds of the operators, and their namespaces.
func (p *plane) operators(t *testing.T) {
	t.Helper()
	crds := filepath.Join(p.bin, "../crds")
	p.kubectl(t, "", "apply", "--server-side", "-f", crds)
	for _, name := range []string{"kafka", "nats", "monitoring", "keda"} {
		p.kubectl(t, "", "create", "namespace", name)
	}
	for n := range 3 { // a claim takes one, and none comes back
		p.kubectl(t, fmt.Sprintf(volume, n), "apply", "-f", "-")
	}
	eventually(t, time.Minute, "the kinds are known", func() error {
		_, err := p.try("", "get", "scaledobjects.keda.sh,podmonitors.monitoring.coreos.com", "-A")
		return err
	})
}

const volume = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk-%d}
spec:
  storageClassName: standard
  capacity: {storage: 30Gi}
  accessModes: [ReadWriteOnce]
  hostPath: {path: /mnt}
`

func (p *plane) at(name string) string { return filepath.Join(p.dir, name) }

// login returns a kubeconfig.
func (p *plane) login(t *testing.T, name string, who pkix.Name) string {
	t.Helper()
	p.ca.issue(t, name, who)
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://%s:6443", certificate-authority: %s}}]
users: [{name: u, user: {client-certificate: %s, client-key: %s}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`, host, p.at("ca.crt"), p.at(name+".crt"), p.at(name+".key"))
	file := p.at(name + ".kubeconfig")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// start runs one of the built programs until the process ends.
func (p *plane) start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	return p.run(t, name, exec.Command(filepath.Join(p.bin, name), args...))
}

func (p *plane) run(t *testing.T, name string, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	log, err := os.OpenFile(p.at(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	return cmd
}

// try runs kubectl. A warning is an error: it says that something is accepted and will not work.
func (p *plane) try(stdin string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(p.bin, "kubectl"), append([]string{"--kubeconfig=" + p.kubeconfig}, args...)...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaints
	err := cmd.Run()
	if err == nil && strings.Contains(complaints.String(), "Warning:") {
		err = fmt.Errorf("a warning")
	}
	if err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, complaints.String())
	}
	return out.String(), nil
}

func (p *plane) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := p.try(stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually waits until try returns no error.
func eventually(t *testing.T, patience time.Duration, what string, try func() error) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		err := try()
		switch {
		case err == nil:
			return time.Since(began)
		case time.Since(began) > patience:
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// network makes a bridge on which pods have their addresses.
func network(t *testing.T) {
	t.Helper()
	// Names of network namespaces are files: those of this run go with its mounts.
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("netns", "/run/netns", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"link set lo up", "link add pods type bridge", "addr add " + host + "/16 dev pods", "link set pods up"} {
		ip(t, strings.Fields(args)...)
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
