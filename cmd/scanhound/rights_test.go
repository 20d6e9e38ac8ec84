package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/scanhound/scanhound/stream"
)

func TestTheUsersForTheOperatorMayDoWhatTheProgramsDo(t *testing.T) {
	brokers := guardedKafka(t)
	c := settingsFor(brokers, fakeNATS(t))
	c.ingest.UDP.Listen = []string{"127.0.0.1:0"}
	for name, k := range map[string]*stream.KafkaConfig{"ingest": &c.ingest.Kafka, "detector": &c.detector.Kafka, "alerter": &c.alerter.Kafka} {
		k.Mechanism, k.User, k.Password = "SCRAM-SHA-512", "scanhound-"+name, "s3cret"
	}
	r := alerting(t, c)
	if len(r.told()) == 0 {
		t.Error("no alert came through")
	}
	answer := httptest.NewRecorder()
	r.service.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if answer.Code != http.StatusOK {
		t.Errorf("not ready: %s", answer.Body)
	}
	r.stop() // the state is written at the end, at the latest
	for _, c := range []struct {
		name, label, value string
		some               bool
	}{
		{"scanhound_detector_checkpoints_total", "fate", "written", true},
		{"scanhound_detector_checkpoints_total", "fate", "failed", false},
		{"scanhound_ingest_templates_table_total", "what", "put", true},
		{"scanhound_ingest_templates_table_total", "what", "failed", false},
		{"scanhound_ingest_alerts_read_total", "what", "learned", true},
		{"scanhound_ingest_log_messages_total", "level", "error", false},
		{"scanhound_detector_log_messages_total", "level", "error", false},
		{"scanhound_alerter_log_messages_total", "level", "error", false},
	} {
		if n := r.counter(t, c.name, c.label, c.value); c.some != (n > 0) {
			t.Errorf("%s{%s=%q} is %v", c.name, c.label, c.value, n)
		}
	}
}

func (r *running) counter(t *testing.T, name, label, value string) float64 {
	t.Helper()
	families, err := r.service.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if f.GetName() == name && l.GetName() == label && l.GetValue() == value {
					return m.Counter.GetValue()
				}
			}
		}
	}
	t.Fatalf("no %s{%s=%q}", name, label, value)
	return 0
}

// guardedKafka has the topics and users of deploy/k8s, and lets them do what stands there, and nothing else.
func guardedKafka(t *testing.T) []string {
	t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs()}
	for _, topic := range resources(t, "strimzi/topics.yaml") {
		opts = append(opts, kfake.SeedTopics(int32(topic.Spec["partitions"].(int)), topic.Metadata.Name))
	}
	for _, user := range resources(t, "strimzi/users.yaml") {
		var acls []kfake.ACL
		for _, each := range user.Spec["authorization"].(map[string]any)["acls"].([]any) {
			rule := each.(map[string]any)
			on := rule["resource"].(map[string]any)
			kind, err := kmsg.ParseACLResourceType(on["type"].(string))
			if err != nil {
				t.Fatal(err)
			}
			for _, operation := range rule["operations"].([]any) {
				op, err := kmsg.ParseACLOperation(operation.(string))
				if err != nil {
					t.Fatal(err)
				}
				acls = append(acls, kfake.ACL{Resource: kind, Name: on["name"].(string), Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true})
			}
		}
		opts = append(opts, kfake.User("SCRAM-SHA-512", user.Metadata.Name, "s3cret", acls...))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
}
