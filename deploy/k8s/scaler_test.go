package k8s_test

import (
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
)

// kafkaTrigger are the keys of KEDA's Kafka scaler (apache kafka, 2.18 to 2.21). KEDA ignores every
// other key, so that a misspelt one counts as left out.
// https://keda.sh/docs/2.21/scalers/apache-kafka/
var kafkaTrigger = []string{
	"bootstrapServers", "consumerGroup", "topic", "lagThreshold", "activationLagThreshold", "offsetResetPolicy",
	"allowIdleConsumers", "scaleToZeroOnInvalidOffset", "excludePersistentLag", "limitToPartitionsWithLag",
	"ensureEvenDistributionOfPartitions", "version", "partitionLimitation", "sasl", "tls", "unsafeSsl",
}

func scaler(d *deployment) (wrong []string) {
	for _, c := range d.custom {
		if c.Kind != "ScaledObject" {
			continue
		}
		triggers, _ := c.Spec["triggers"].([]any)
		if len(triggers) == 0 {
			wrong = append(wrong, c.Name+" has no trigger")
		}
		for _, each := range triggers {
			trigger, _ := each.(map[string]any)
			keys, _ := trigger["metadata"].(map[string]any)
			for key, value := range keys {
				if _, text := value.(string); !text || !slices.Contains(kafkaTrigger, key) {
					wrong = append(wrong, fmt.Sprintf("%s: KEDA's kafka trigger has no key %s with a text", c.Name, key))
				}
			}
			for _, key := range []string{"lagThreshold", "consumerGroup", "topic", "bootstrapServers"} {
				if keys[key] == nil {
					wrong = append(wrong, c.Name+": "+key+" is missing")
				}
			}
			if keys["excludePersistentLag"] == "true" {
				wrong = append(wrong, c.Name+": a detector commits seldom, and would be taken for one that is stuck")
			}
		}
		if c.Spec["minReplicaCount"].(float64) < 2 {
			wrong = append(wrong, c.Name+": one detector is no spare")
		}
	}
	return wrong
}

// names: topics, groups and users are called alike in all objects, and by the defaults of the programs.
func names(d *deployment) (wrong []string) {
	topics := map[string]float64{}
	for _, c := range d.custom {
		if c.Kind == "KafkaTopic" {
			topics[c.Name], _ = c.Spec["partitions"].(float64)
		}
	}
	settings := d.configMap("scanhound", "scanhound-settings")
	for _, c := range d.custom {
		switch c.Kind {
		case "KafkaUser":
			wrong = append(wrong, rights(c, topics)...)
		case "ScaledObject":
			trigger := c.Spec["triggers"].([]any)[0].(map[string]any)["metadata"].(map[string]any)
			if len(topics) > 0 && topics[trigger["topic"].(string)] != c.Spec["maxReplicaCount"] {
				wrong = append(wrong, fmt.Sprintf("%s: maxReplicaCount is not the number of partitions", c.Name))
			}
			if settings != nil && !strings.Contains(settings.Data["settings.yaml"], trigger["bootstrapServers"].(string)) {
				wrong = append(wrong, c.Name+": it asks other brokers than the programs")
			}
		}
	}
	if n := topics["scanhound.flows.v1"]; n != topics["scanhound.alerts.v1"] || n != topics["scanhound.state.v1"] {
		wrong = append(wrong, "flows, alerts and state must have as many partitions")
	}
	// A login that a pod mounts has the name of the user whose secret it is.
	for _, w := range d.workloads() {
		user, secret := "", ""
		for _, e := range w.pod.Spec.Containers[0].Env {
			if e.Name == "SCANHOUND_KAFKA_USER" {
				user = e.Value
			}
		}
		for _, v := range w.pod.Spec.Volumes {
			if v.Name == "kafka" && v.VolumeSource.Secret != nil {
				secret = v.VolumeSource.Secret.SecretName
			}
		}
		if user != "" && user != secret {
			wrong = append(wrong, w.Name+": user "+user+" and secret "+secret+" differ")
		}
	}
	each(d, func(s *core.Service) {
		if s.Spec.Type == core.ServiceTypeLoadBalancer && (s.Spec.ExternalTrafficPolicy != core.ServiceExternalTrafficPolicyLocal || s.Spec.SessionAffinity != core.ServiceAffinityClientIP) {
			wrong = append(wrong, s.Name+": the exporter's address, or its pod, is lost")
		}
	})
	return wrong
}

// rights: a user's topics exist.
func rights(user custom, topics map[string]float64) (wrong []string) {
	acls := user.Spec["authorization"].(map[string]any)["acls"].([]any)
	for _, each := range acls {
		resource := each.(map[string]any)["resource"].(map[string]any)
		if _, known := topics[resource["name"].(string)]; resource["type"] == "topic" && !known {
			wrong = append(wrong, fmt.Sprintf("%s: there is no topic %s", user.Name, resource["name"]))
		}
	}
	return wrong
}
