package k8s_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	security "k8s.io/pod-security-admission/api"
	levels "k8s.io/pod-security-admission/policy"
)

// checks return what is wrong. TestEachCheckCanFail has an example for each.
var checks = map[string]func(*deployment) []string{
	"pods keep the security level of their namespace": securityLevels,
	"selectors match something":                       selectors,
	"there is time to stop":                           timeToStop,
	"memory fits":                                     memory,
	"ports and volumes exist":                         references,
	"nothing is more than it needs":                   privileges,
	"the scaler is spelt right":                       scaler,
	"who may do what agrees":                          names,
}

func securityLevels(d *deployment) (wrong []string) {
	evaluator, err := levels.NewEvaluator(levels.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	enforced := map[string]security.Level{}
	each(d, func(n *core.Namespace) { enforced[n.Name] = security.Level(n.Labels[security.EnforceLevelLabel]) })
	for _, w := range d.workloads() {
		level := enforced[w.Namespace]
		if level == "" {
			wrong = append(wrong, w.Name+": its namespace "+w.Namespace+" has no level")
			continue
		}
		results := evaluator.EvaluatePod(security.LevelVersion{Level: level, Version: security.LatestVersion()}, &w.pod.ObjectMeta, &w.pod.Spec)
		if r := levels.AggregateCheckResults(results); !r.Allowed {
			wrong = append(wrong, w.Name+": "+r.ForbiddenDetail())
		}
	}
	return wrong
}

// selectors: each selects the pods of some workload in its namespace, and a workload its own.
func selectors(d *deployment) (wrong []string) {
	matches := func(namespace string, s *meta.LabelSelector) (n int) {
		selector, err := meta.LabelSelectorAsSelector(s)
		if err != nil {
			return 0
		}
		for _, w := range d.workloads() {
			if w.Namespace == namespace && selector.Matches(labels.Set(w.pod.Labels)) {
				n++
			}
		}
		return n
	}
	need := func(what string, o meta.ObjectMeta, s *meta.LabelSelector) {
		if matches(o.Namespace, s) == 0 {
			wrong = append(wrong, fmt.Sprintf("%s %s selects no pod of %s", what, o.Name, o.Namespace))
		}
	}
	for _, w := range d.workloads() {
		if matches(w.Namespace, w.selector) != 1 {
			wrong = append(wrong, w.Name+" selects other pods than its own")
		}
		for _, s := range w.pod.Spec.TopologySpreadConstraints {
			need("the spread of", w.ObjectMeta, s.LabelSelector)
		}
	}
	each(d, func(s *core.Service) {
		need("service", s.ObjectMeta, &meta.LabelSelector{MatchLabels: s.Spec.Selector})
	})
	each(d, func(p *policy.PodDisruptionBudget) { need("budget", p.ObjectMeta, p.Spec.Selector) })
	each(d, func(m *monitoring.PodMonitor) {
		for _, w := range d.workloads() {
			if w.ours() && (!slices.Contains(m.Spec.NamespaceSelector.MatchNames, w.Namespace) || matches(w.Namespace, &m.Spec.Selector) == 0 ||
				!labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(w.pod.Labels))) {
				wrong = append(wrong, w.Name+" is not scraped by "+m.Name)
			}
		}
	})
	each(d, func(p *networking.NetworkPolicy) { need("network policy", p.ObjectMeta, &p.Spec.PodSelector) })
	return wrong
}

// stopping is the programs' shutdown-timeout, which no manifest changes.
const stopping = 25 * time.Second

func timeToStop(d *deployment) (wrong []string) {
	for _, w := range d.workloads() {
		if !w.ours() {
			continue
		}
		var sleep time.Duration
		if l := w.pod.Spec.Containers[0].Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
			sleep = time.Duration(l.PreStop.Sleep.Seconds) * time.Second
		}
		if slices.ContainsFunc(w.pod.Spec.Containers[0].Args, func(a string) bool { return strings.HasPrefix(a, "--shutdown-timeout") }) {
			wrong = append(wrong, w.Name+" has a shutdown-timeout of its own: this check knows only the default")
		}
		if grace := w.pod.Spec.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second < sleep+stopping+5*time.Second {
			wrong = append(wrong, fmt.Sprintf("%s: preStop %v and shutdown-timeout %v need more than the grace period", w.Name, sleep, stopping))
		}
	}
	return wrong
}

// memory: Go's limit is below the container's, and one detector can hold all partitions.
func memory(d *deployment) (wrong []string) {
	for _, w := range d.workloads() {
		if !w.ours() {
			continue
		}
		c := w.pod.Spec.Containers[0]
		limit := c.Resources.Limits.Memory().Value()
		soft := int64(0)
		for _, e := range c.Env {
			if e.Name == "GOMEMLIMIT" {
				q, err := resource.ParseQuantity(strings.TrimSuffix(e.Value, "B"))
				if err != nil {
					wrong = append(wrong, w.Name+": GOMEMLIMIT "+e.Value+": "+err.Error())
				}
				soft = q.Value()
			}
		}
		if soft == 0 || float64(soft) > 0.9*float64(limit) || float64(soft) < 0.7*float64(limit) {
			wrong = append(wrong, fmt.Sprintf("%s: GOMEMLIMIT %d should be 70 to 90 %% of the limit %d", w.Name, soft, limit))
		}
		if request := c.Resources.Requests.Memory().Value(); request == 0 || request > limit {
			wrong = append(wrong, w.Name+": it must request memory, and no more than its limit")
		}
		const partitions, each = 12, (256 + 7) << 20 // defaults of flows-partitions and memory
		if w.Name == "detector" && soft < partitions*each {
			wrong = append(wrong, fmt.Sprintf("detector: %d bytes do not hold the state of %d partitions", soft, partitions))
		}
	}
	return wrong
}

// references: what is named in a pod is there.
func references(d *deployment) (wrong []string) {
	for _, w := range d.workloads() {
		var volumes, ports []string
		for _, c := range w.claims {
			volumes = append(volumes, c.Name)
		}
		for _, v := range w.pod.Spec.Volumes {
			volumes = append(volumes, v.Name)
			if v.ConfigMap != nil && d.configMap(w.Namespace, v.ConfigMap.Name) == nil {
				wrong = append(wrong, w.Name+": there is no ConfigMap "+v.ConfigMap.Name)
			}
		}
		for _, c := range w.pod.Spec.Containers {
			for _, p := range c.Ports {
				ports = append(ports, p.Name)
			}
			for _, m := range c.VolumeMounts {
				if !slices.Contains(volumes, m.Name) {
					wrong = append(wrong, w.Name+": there is no volume "+m.Name)
				}
			}
			for _, probe := range []*core.Probe{c.LivenessProbe, c.ReadinessProbe} {
				if probe != nil && probe.HTTPGet != nil && !slices.Contains(ports, probe.HTTPGet.Port.String()) {
					wrong = append(wrong, w.Name+": a probe asks a port "+probe.HTTPGet.Port.String()+" that is not there")
				}
			}
			if w.ours() && !slices.Contains(c.Args, "--admin=0.0.0.0:"+strconv.Itoa(portNamed(c, "admin"))) {
				wrong = append(wrong, w.Name+": the port admin is not the one in --admin")
			}
		}
		each(d, func(s *core.Service) {
			if s.Namespace != w.Namespace || !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(w.pod.Labels)) {
				return
			}
			for _, p := range s.Spec.Ports {
				if p.TargetPort.StrVal != "" && !slices.Contains(ports, p.TargetPort.StrVal) {
					wrong = append(wrong, "service "+s.Name+": pods have no port "+p.TargetPort.StrVal)
				}
			}
		})
	}
	each(d, func(s *apps.StatefulSet) {
		var found bool
		each(d, func(service *core.Service) {
			found = found || service.Name == s.Spec.ServiceName && service.Namespace == s.Namespace
		})
		if !found {
			wrong = append(wrong, s.Name+": its service "+s.Spec.ServiceName+" is not there")
		}
	})
	return wrong
}

func portNamed(c core.Container, name string) int {
	for _, p := range c.Ports {
		if p.Name == name {
			return int(p.ContainerPort)
		}
	}
	return 0
}

// privileges: what the levels of pod security do not ask for, and nobody needs.
func privileges(d *deployment) (wrong []string) {
	for _, w := range d.workloads() {
		spec := w.pod.Spec
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
			wrong = append(wrong, w.Name+" gets a token of its account")
		}
		if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
			wrong = append(wrong, w.Name+" gets a variable for each service")
		}
		for _, c := range spec.Containers {
			if s := c.SecurityContext; w.ours() && (s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem) {
				wrong = append(wrong, w.Name+" can write to its root")
			}
			if w.ours() && (c.LivenessProbe == nil || c.ReadinessProbe == nil) {
				wrong = append(wrong, w.Name+" is not probed")
			}
			for _, e := range c.Env {
				if strings.Contains(e.Name, "PASSWORD") && e.Value != "" {
					wrong = append(wrong, w.Name+": a secret stands in the manifest")
				}
			}
		}
	}
	return wrong
}
