package k8s_test

import (
	"fmt"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// A deployment is all objects that one folder makes.
type deployment struct {
	dir     string
	objects []any // pointers to typed objects
	custom  []custom
}

// custom is an object of a kind that has no type here.
type custom struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            map[string]any `json:"spec"`
}

// kinds are those that may occur, with the type that an unknown field is found by.
var kinds = map[string]func() any{
	"v1/Namespace":                            func() any { return new(core.Namespace) },
	"v1/ConfigMap":                            func() any { return new(core.ConfigMap) },
	"v1/ServiceAccount":                       func() any { return new(core.ServiceAccount) },
	"v1/Service":                              func() any { return new(core.Service) },
	"apps/v1/Deployment":                      func() any { return new(apps.Deployment) },
	"apps/v1/StatefulSet":                     func() any { return new(apps.StatefulSet) },
	"apps/v1/DaemonSet":                       func() any { return new(apps.DaemonSet) },
	"policy/v1/PodDisruptionBudget":           func() any { return new(policy.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy":      func() any { return new(networking.NetworkPolicy) },
	"monitoring.coreos.com/v1/PodMonitor":     func() any { return new(monitoring.PodMonitor) },
	"monitoring.coreos.com/v1/PrometheusRule": func() any { return new(monitoring.PrometheusRule) },
	"keda.sh/v1alpha1/ScaledObject":           nil,
	"keda.sh/v1alpha1/TriggerAuthentication":  nil,
	"kafka.strimzi.io/v1/KafkaTopic":          nil,
	"kafka.strimzi.io/v1/KafkaUser":           nil,
	"jetstream.nats.io/v1beta2/Stream":        nil,
	"jetstream.nats.io/v1beta2/Consumer":      nil,
}

// add takes one object. A field that its kind does not have is an error.
func (d *deployment) add(text []byte) error {
	var c custom
	if err := yaml.Unmarshal(text, &c); err != nil {
		return err
	}
	make, known := kinds[c.APIVersion+"/"+c.Kind]
	switch {
	case !known:
		return fmt.Errorf("%s %s: nobody has said how to check this kind", c.APIVersion, c.Kind)
	case make == nil:
		d.custom = append(d.custom, c)
		return nil
	}
	object := make()
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		return fmt.Errorf("%s %s: %w", c.Kind, c.Name, err)
	}
	d.objects = append(d.objects, object)
	return nil
}

// each calls f with all objects of one kind.
func each[T any](d *deployment, f func(*T)) {
	for _, o := range d.objects {
		if typed, ok := o.(*T); ok {
			f(typed)
		}
	}
}

// configMap finds one by its name, with or without the hash that kustomize puts behind it.
func (d *deployment) configMap(namespace, name string) (found *core.ConfigMap) {
	each(d, func(c *core.ConfigMap) {
		hash, ok := strings.CutPrefix(c.Name, name)
		if ok && c.Namespace == namespace && (hash == "" || len(hash) == 11 && hash[0] == '-') {
			found = c
		}
	})
	return found
}

// A workload is what makes pods.
type workload struct {
	meta.ObjectMeta
	selector *meta.LabelSelector
	pod      core.PodTemplateSpec
	claims   []core.PersistentVolumeClaim
}

func (d *deployment) workloads() (all []workload) {
	each(d, func(o *apps.Deployment) {
		all = append(all, workload{o.ObjectMeta, o.Spec.Selector, o.Spec.Template, nil})
	})
	each(d, func(o *apps.StatefulSet) {
		all = append(all, workload{o.ObjectMeta, o.Spec.Selector, o.Spec.Template, o.Spec.VolumeClaimTemplates})
	})
	each(d, func(o *apps.DaemonSet) {
		all = append(all, workload{o.ObjectMeta, o.Spec.Selector, o.Spec.Template, nil})
	})
	return all
}

// ours tells the workloads that run a program of this project.
func (w *workload) ours() bool { return strings.HasPrefix(w.pod.Spec.Containers[0].Image, "scanhound") }
