package stream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
)

// says waits until ready does.
func says(t *testing.T, what string, ready func(context.Context) error, want ...string) {
	t.Helper()
	eventually(t, what, func() bool {
		err := ready(soon(t))
		if err == nil || len(want) == 0 {
			return err == nil && len(want) == 0
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				return false
			}
		}
		return true
	})
}

func TestATopicThatNobodyHasMadeIsNamedUntilItIsThere(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		var log logged
		topic := unique(t)
		c, err := stream.NewConsumer(k.KafkaConfig, consumerConfig(topic, topic), newDiary().open(durable), log.logger())
		if err != nil {
			t.Fatal(err)
		}
		started(t, c.Run)
		says(t, "the topic is missing", c.Ready, "look up topic "+topic, "nobody has made the topic", "check its name")
		if !log.has("nothing is read") {
			t.Error("the log is silent")
		}
		cl, err := k.Dial(quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if _, err := stream.EnsureTopic(soon(t), cl, topic, 1, 1, nil); err != nil {
			t.Fatal(err)
		}
		says(t, "it is read", c.Ready)
	})
}

func TestAMemberThatWillGetNoPartitionIsReadyAndSaysWhy(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 1, nil)
		one := consumer(t, k, consumerConfig(topic, topic), newDiary().open(durable))
		started(t, one.Run)
		says(t, "the first reads", one.Ready)
		other := consumer(t, k, consumerConfig(topic, topic), newDiary().open(durable))
		stop := started(t, other.Run)
		says(t, "the second waits for nothing", other.Ready)
		spare, holds := other, one
		if len(one.Stats().Partitions) == 0 {
			spare, holds = one, other
		}
		says(t, "whoever has the partition is ready", holds.Ready)
		says(t, "who has none too", spare.Ready)
		if got := spare.Spare(); !strings.Contains(got, "has 2 members, topic "+topic+" 1 partitions") {
			t.Errorf("it says %q", got)
		}
		if got := holds.Spare(); got != "" {
			t.Errorf("who has it says %q", got)
		}
		_ = stop()
		eventually(t, "the one that stays has it", func() bool {
			return one.Ready(soon(t)) == nil && one.Spare() == "" && len(one.Stats().Partitions) == 1
		})
	})
}

// strict is a Kafka where a user may do nothing, until allow says what.
func strict(t *testing.T) (cfg stream.KafkaConfig, allow func(*kadm.ACLBuilder)) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "flows"),
		kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "scan", "scan"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg = defaults.Of[stream.KafkaConfig]()
	cfg.Brokers, cfg.Mechanism, cfg.User, cfg.Password = cluster.ListenAddrs(), "PLAIN", "scan", "scan"
	admin, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return cfg, func(b *kadm.ACLBuilder) {
		t.Helper()
		b = b.Allow("User:scan").AllowHosts().ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral)
		if r, err := kadm.NewClient(admin).CreateACLs(soon(t), b); err != nil || r[0].Err != nil {
			t.Fatal(err, r[0].Err)
		}
	}
}

func TestWhatAUserMayNotIsSaidUntilHeMay(t *testing.T) {
	cfg, allow := strict(t)
	c, err := stream.NewConsumer(cfg, consumerConfig("flows", "detectors"), newDiary().open(durable), quiet())
	if err != nil {
		t.Fatal(err)
	}
	started(t, c.Run)
	says(t, "the topic may not be read", c.Ready, "topic flows", "allow this user to Describe and Read it")
	allow(kadm.NewACLs().Topics("flows").Operations(kmsg.ACLOperationRead, kmsg.ACLOperationDescribe))
	says(t, "the group may not be joined", c.Ready, "group detectors", "allow this user to Read the consumer group")
	allow(kadm.NewACLs().Groups("detectors").Operations(kmsg.ACLOperationRead, kmsg.ACLOperationDescribe))
	eventually(t, "it reads", func() bool { return len(c.Stats().Partitions) == 1 })
}

func TestWhatIsRefusedAtTheStartIsAskedForAgain(t *testing.T) {
	cfg, allow := strict(t)
	var trouble stream.Trouble
	done := make(chan error, 1) // 1: the test may have failed
	go func() {
		done <- stream.Insist(soon(t), &trouble, quiet(), func(ctx context.Context) error {
			return stream.PrepareTopic(ctx, cfg, "alerts", stream.TopicConfig{Partitions: 1, Replicas: 1}, quiet())
		})
	}()
	var table stream.Trouble // of a topic that he may look at, and nobody has made
	allow(kadm.NewACLs().Topics("templates").Operations(kmsg.ACLOperationDescribe, kmsg.ACLOperationRead, kmsg.ACLOperationWrite))
	asking, stop := context.WithCancel(t.Context())
	opened := make(chan error, 1)
	go func() {
		opened <- stream.Insist(asking, &table, quiet(), func(ctx context.Context) error {
			_, err := stream.OpenTable(ctx, cfg, "templates", 1, func(_, _ []byte) {}, quiet())
			return err
		})
	}()
	says(t, "a topic may not be made", func(context.Context) error { return table.Now() }, "topic templates", "Create it if it does not exist")
	stop()
	<-opened
	now := func(context.Context) error { return trouble.Now() }
	says(t, "it is refused", now, "topic alerts", "Create it if it does not exist")
	allow(kadm.NewACLs().Topics("alerts").Operations(kmsg.ACLOperationCreate, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs))
	if err := <-done; err != nil || trouble.Now() != nil {
		t.Errorf("%v, %v", err, trouble.Now())
	}
}

func TestABrokerThatRefusesOurCertificateIsToldFromOneThatWeDoNotTrust(t *testing.T) {
	cert, ca := certificate(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(),
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := defaults.Of[stream.KafkaConfig]()
	cfg.Brokers, cfg.CAFile = cluster.ListenAddrs(), ca
	cl, err := cfg.Dial(quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	err = stream.Reachable(soon(t), cl)
	if err == nil || !strings.Contains(err.Error(), "the broker refuses our certificate, or wants one: check kafka-cert-file") {
		t.Errorf("it says %v", err)
	}
}

func TestWhatMayNotBeWrittenWaitsAndIsSaid(t *testing.T) {
	cfg, allow := strict(t)
	allow(kadm.NewACLs().Topics("flows").Operations(kmsg.ACLOperationDescribe))
	allow(kadm.NewACLs().Clusters().Operations(kmsg.ACLOperationIdempotentWrite)) // as Apache has it without
	to := defaults.Of[stream.AlertWriterConfig]()
	to.Topic = "flows"
	p, err := stream.OpenAlertProducer(soon(t), cfg, to, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	s := openState(t, kafka{KafkaConfig: cfg}, "flows", "group")
	refused := make(chan error, 1) // 1: the callback must not wait
	s.Write(soon(t), 0, sliceOf(8, 1, []byte("a state")), func(err error) { refused <- err })
	if err := <-refused; err == nil || s.Trouble() == nil || !strings.Contains(s.Trouble().Error(), "allow this user") {
		t.Errorf("a slice: %v, it says %v", err, s.Trouble())
	}
	done := make(chan error, 1) // 1: the test may have failed
	go func() { done <- p.Produce(soon(t), 0, []schema.Alert{{ID: "one", Revision: 1}}) }()
	says(t, "an alert waits", func(context.Context) error { return p.Trouble.Now() }, "alerts wait: write to topic flows", "allow this user")
	allow(kadm.NewACLs().Topics("flows").Operations(kmsg.ACLOperationWrite))
	if err := <-done; err != nil || p.Trouble.Now() != nil || p.Stats().Produced != 1 {
		t.Errorf("%v, %v, %+v", err, p.Trouble.Now(), p.Stats())
	}
	written(t, s, 0, sliceOf(8, 1, []byte("a state")))
	if s.Trouble() != nil {
		t.Error(s.Trouble())
	}
}
