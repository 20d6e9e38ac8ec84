// Package kafka_test compares the scripts for Kafka's own tools with the manifests for Strimzi: both say the same.
package kafka_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// printed runs a script with a tool that prints each call on a line.
func printed(t *testing.T, script, variable string) (calls []string) {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", script, "kafka:9092")
	cmd.Env = append(os.Environ(), variable+"="+tool)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	for line := range strings.Lines(string(out)) {
		calls = append(calls, strings.TrimSpace(line))
	}
	return calls
}

// manifest reads the objects of a file of Strimzi's component.
func manifest[T any](t *testing.T, name string) (all []T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../k8s/components/strimzi", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range strings.Split(string(text), "\n---\n") {
		var o T
		if err := yaml.Unmarshal([]byte(one), &o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

type user struct {
	Metadata struct{ Name string }
	Spec     struct {
		Authorization struct {
			ACLs []struct {
				Resource   struct{ Type, Name string }
				Operations []string
			} `json:"acls"`
		}
	}
}

func TestTheACLsAreThoseOfTheManifests(t *testing.T) {
	var want []string
	for _, u := range manifest[user](t, "users.yaml") {
		if u.Metadata.Name == "scanhound-keda" {
			continue // of Kubernetes alone
		}
		for _, acl := range u.Spec.Authorization.ACLs {
			want = append(want, fmt.Sprintf("--bootstrap-server kafka:9092 --add --allow-principal User:%s --operation %s --%s %s",
				u.Metadata.Name, strings.Join(acl.Operations, " --operation "), acl.Resource.Type, acl.Resource.Name))
		}
	}
	got := printed(t, "acls.sh", "KAFKA_ACLS")
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 9 || !slices.Equal(got, want) {
		t.Errorf("acls.sh says\n%s\nthe manifests\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

type topic struct {
	Metadata struct{ Name string }
	Spec     struct {
		Partitions, Replicas int
		Config               map[string]any
	}
}

func TestTheTopicsAreThoseOfTheManifests(t *testing.T) {
	got := printed(t, "topics.sh", "KAFKA_TOPICS")
	topics := manifest[topic](t, "topics.yaml")
	if len(topics) != 4 || len(got) != 4 {
		t.Fatalf("%d topics and %d calls", len(topics), len(got))
	}
	for _, o := range topics {
		at := slices.IndexFunc(got, func(call string) bool { return strings.Contains(call, "--topic "+o.Metadata.Name+" ") })
		if at < 0 {
			t.Errorf("no call makes %s", o.Metadata.Name)
			continue
		}
		call := got[at] + " "
		want := []string{fmt.Sprintf("--partitions %d ", o.Spec.Partitions), fmt.Sprintf("--replication-factor %d ", o.Spec.Replicas)}
		for name, value := range o.Spec.Config {
			if f, is := value.(float64); is && f == float64(int64(f)) {
				value = int64(f)
			}
			want = append(want, fmt.Sprintf("--config %s=%v ", name, value))
		}
		for _, w := range want {
			if !strings.Contains(call, w) {
				t.Errorf("%s: no %sin %s", o.Metadata.Name, w, call)
			}
		}
		if n := strings.Count(call, "--config "); n != len(o.Spec.Config) {
			t.Errorf("%s: %d settings, the manifest has %d", o.Metadata.Name, n, len(o.Spec.Config))
		}
	}
}
