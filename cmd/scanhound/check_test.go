package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckNamesTheMistakesOfEveryProgramAndFile(t *testing.T) {
	exceptions := written(t, "exceptions.yaml", "- sources: [nowhere]\n")
	networks := written(t, "networks.yaml", "- prefix: 10.0.0.0/88\n")
	outputs := written(t, "outputs.yaml", "- name: a\n  tu: file:/nowhere\n")
	settings := written(t, "scanhound.yaml", fmt.Sprintf("exceptions: %s\nnetworks: %s\noutputs: %s\n", exceptions, networks, outputs))
	r := run(t, nil, "check", "--settings="+settings)
	for _, says := range []string{settings + ":1: exceptions: read " + exceptions, settings + ":2: networks: read " + networks, settings + ":3: outputs: read " + outputs} {
		if r.code != 3 || !strings.Contains(r.stderr, says) {
			t.Errorf("code %d, no %q in\n%s%s", r.code, says, r.stdout, r.stderr)
		}
	}
	of := written(t, "scanhound.yaml", "alerter-group: \"\"\nflows-buffer: soon\n")
	if r := run(t, nil, "check", "--settings="+of); r.code != 3 || !strings.Contains(r.stderr, of+":2: flows-buffer") || !strings.Contains(r.stderr, "alerter-group is empty") {
		t.Errorf("%+v", r)
	}
	if r := run(t, nil, "check", "--settings="+of, "detector"); r.code != 0 {
		t.Errorf("what only others read is held against the detector: %+v", r)
	}
}

func TestCheckOnlineFindsNothingWhereTheProgramsHaveStarted(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	kafka, err := embedded.Kafka(embedded.KafkaConfig{}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	nats, err := embedded.NATS(embedded.NATSConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Close()
	settings := written(t, "scanhound.yaml", fmt.Sprintf("kafka-brokers: %s\nnats-url: %s\nflows-partitions: 2\n", kafka.Brokers()[0], nats.URL()))
	r := run(t, nil, "check", "--online", "--settings="+settings)
	for _, says := range []string{"the topic is missing", "topic: " + schema.FlowsTopic, "the alert stream is missing", "nothing has to be mended"} {
		if r.code != 0 || !strings.Contains(r.stdout, says) {
			t.Errorf("before the first start: code %d, no %q in\n%s%s", r.code, says, r.stdout, r.stderr)
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	const long = "187200000"
	for topic, configs := range map[string]map[string]string{
		schema.FlowsTopic: {"retention.ms": long}, schema.AlertsTopic: {"retention.ms": long}, "scanhound.templates.v1": {"cleanup.policy": "compact"},
		schema.StateTopic: {"cleanup.policy": "delete"},
	} {
		if _, err := stream.EnsureTopic(t.Context(), cl, topic, 2, 1, configs); err != nil {
			t.Fatal(err)
		}
	}
	n, err := stream.DialNATS(natsSettings(nats.URL()), log)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	mend := "kafka-configs.sh --bootstrap-server " + kafka.Brokers()[0] + " --alter --entity-type topics --entity-name " + schema.StateTopic + " --add-config cleanup.policy=compact"
	if r := run(t, nil, "check", "--online", "--settings="+settings); r.code != 1 || strings.Contains(r.stdout, "missing") || !strings.Contains(r.stdout, mend) {
		t.Errorf("of a state that is not compacted: code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	compact := "compact"
	if _, err := kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "cleanup.policy", Value: &compact}}, schema.StateTopic); err != nil {
		t.Fatal(err)
	}
	if r := run(t, nil, "check", "--online", "--settings="+settings); r.code != 0 {
		t.Errorf("after it was mended: code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	nats.Close()
	if r := run(t, nil, "check", "--online", "--check-timeout=1s", "--settings="+settings, "alerter"); r.code != 4 || !strings.Contains(r.stderr, "look at NATS") {
		t.Errorf("without NATS: %+v", r)
	}
}

func natsSettings(url string) stream.NATSConfig {
	cfg := defaults.Of[stream.NATSConfig]()
	cfg.URL = []string{url}
	return cfg
}

func TestCheckOnlineNamesWhatIsNotAllowedAndTheCommandThatAllowsIt(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(12, schema.FlowsTopic),
		kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "scan", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	admin, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	acl := kadm.NewACLs().Topics(schema.FlowsTopic).Operations(kmsg.ACLOperationDescribe, kmsg.ACLOperationRead).
		Allow("User:scan").AllowHosts().ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral)
	if _, err := kadm.NewClient(admin).CreateACLs(t.Context(), acl); err != nil {
		t.Fatal(err)
	}
	broker := cluster.ListenAddrs()[0]
	settings := written(t, "scanhound.yaml", fmt.Sprintf("kafka: {brokers: %s, sasl: plain, user: scan, password: secret}\n", broker))
	r := run(t, nil, "check", "--online", "--settings="+settings, "ingest", "detector")
	for _, says := range []string{
		"kafka-acls.sh --bootstrap-server " + broker + " --add --allow-principal User:scan --operation Write --topic " + schema.FlowsTopic,
		"--operation Read --group " + schema.DetectorGroup,
		"--operation Read --operation Write --operation DescribeConfigs --topic " + schema.StateTopic,
	} {
		if r.code != 1 || !strings.Contains(r.stdout, says) {
			t.Errorf("code %d, no %q in\n%s%s", r.code, says, r.stdout, r.stderr)
		}
	}
}
