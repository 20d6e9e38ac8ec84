package k8s_test

import (
	"strings"
	"testing"
)

func TestEachCheckCanFail(t *testing.T) {
	const anyChange = "what builds at all"
	seen := map[string]bool{}
	for _, c := range []struct {
		check, dir, file, from, to string
	}{
		{anyChange, "base", "base/detector.yaml", "podManagementPolicy", "podManagmentPolicy"},
		{anyChange, "base", "base/network.yaml", "policyTypes: [Egress]", "policyType: [Egress]"},
		{anyChange, "overlays/production", "overlays/production/site/kustomization.yaml", "ingest.yaml", "nothing.yaml"},
		{"pods keep the security level of their namespace", "base", "base/ingest.yaml", "containerPort: 2055,", "containerPort: 2055, hostPort: 2055,"},
		{"pods keep the security level of their namespace", "base", "base/detector.yaml", "drop: [ALL]", "drop: [CHOWN]"},
		{"selectors match something", "base", "base/network.yaml", "app.kubernetes.io/name: alerter", "app.kubernetes.io/name: alertr"},
		{"selectors match something", "base", "base/ingest.yaml", "selector: {app.kubernetes.io/name: ingest}", "selector: {app.kubernetes.io/name: detector-9}"},
		{"selectors match something", "overlays/production-edge", "components/edge/ingest.yaml", ", app.kubernetes.io/part-of: scanhound", ""},
		{"there is time to stop", "base", "base/ingest.yaml", "seconds: 5", "seconds: 30"},
		{"memory fits", "base", "base/alerter.yaml", "220MiB", "256MiB"},
		{"memory fits", "base", "base/detector.yaml", "3600MiB", "2900MiB"},
		{"ports and volumes exist", "base", "base/detector.yaml", "9102}\n        # One", "9103}\n        # One"},
		{"ports and volumes exist", "base", "base/detector.yaml", "serviceName: detector", "serviceName: detectors"},
		{"nothing is more than it needs", "base", "base/alerter.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"},
		{"the scaler is spelt right", "overlays/production", "overlays/production/site/scaledobject.yaml", "lagThreshold", "lagThreshhold"},
		{"the scaler is spelt right", "overlays/with-keda", "components/keda/detector.yaml", "minReplicaCount: 2", "minReplicaCount: 1"},
		{"who may do what agrees", "overlays/production", "components/keda/detector.yaml", "maxReplicaCount: 12", "maxReplicaCount: 13"},
		{"who may do what agrees", "overlays/production", "components/strimzi/users.yaml", "scanhound.state.v1", "scanhound.states.v1"},
		{"who may do what agrees", "overlays/production", "overlays/production/site/ingest.yaml", "SCANHOUND_KAFKA_USER, value: scanhound-ingest", "SCANHOUND_KAFKA_USER, value: scanhound"},
		{"who may do what agrees", "base", "base/ingest.yaml", "externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster"},
	} {
		seen[c.check] = true
		t.Run(c.file+" "+c.to, func(t *testing.T) {
			files := load(t)
			before := files[c.file]
			if files[c.file] = strings.Replace(before, c.from, c.to, 1); files[c.file] == before {
				t.Fatalf("%s does not hold %q any more", c.file, c.from)
			}
			d, err := files.build(c.dir)
			switch {
			case c.check == anyChange && err == nil:
				t.Error("it builds")
			case c.check != anyChange && err != nil:
				t.Error(err)
			case c.check != anyChange && len(checks[c.check](d)) == 0:
				t.Errorf("nothing is found wrong by the check %q", c.check)
			}
		})
	}
	for name := range checks {
		if !seen[name] {
			t.Errorf("no example for the check %q", name)
		}
	}
}
