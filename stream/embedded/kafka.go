// Package embedded runs Kafka and NATS inside the process, for one machine and
// for tests: no installation, one command. Both keep their data in a folder, and
// go on from it. They are for one machine: nothing is replicated, and the Kafka is
// franz-go's kfake, which speaks the protocol but is no Kafka.
//
// What is opened belongs to the caller, who closes it after all of its clients.
package embedded

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaConfig says what the Kafka in the process is like.
type KafkaConfig struct {
	Dir    string           // where data is kept; "" keeps it in memory
	Port   int              // on loopback; 0 chooses one
	Topics map[string]int32 // topics that are made, with their partitions
	Keep   time.Duration    // how long records are kept; 0 is a week
	Bytes  int64            // how many bytes of each partition are kept; 0 is no limit
}

// sweep is how often what is too old, or too much, is deleted. kfake does so by
// itself only once a topic was made with limits of its own, and forgets at a restart.
const sweep = time.Minute

// KafkaServer is a running Kafka.
type KafkaServer struct {
	*kfake.Cluster
	brokers []string
	once    sync.Once
	quit    chan struct{} // closed by Close: sweep no more
	done    chan struct{} // closed when nothing sweeps
}

// Kafka starts one broker. Topics that exist in the folder keep their partitions.
func Kafka(cfg KafkaConfig, log *slog.Logger) (*KafkaServer, error) {
	if cfg.Keep == 0 {
		cfg.Keep = 7 * 24 * time.Hour
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("scanhound"),
		kfake.WithLogger(logger{log}),
		kfake.BrokerConfigs(limits(cfg)),
	}
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
			return nil, fmt.Errorf("start the Kafka in this process: %w", err)
		}
		opts = append(opts, kfake.DataDir(cfg.Dir))
	}
	if cfg.Port != 0 {
		opts = append(opts, kfake.Ports(cfg.Port))
	}
	for topic, partitions := range cfg.Topics {
		opts = append(opts, kfake.SeedTopics(partitions, topic))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("start the Kafka in this process: %w", err)
	}
	k := &KafkaServer{Cluster: cluster, brokers: cluster.ListenAddrs(), quit: make(chan struct{}), done: make(chan struct{})}
	go k.sweep()
	return k, nil
}

func limits(cfg KafkaConfig) map[string]string {
	c := map[string]string{"log.retention.ms": fmt.Sprint(cfg.Keep.Milliseconds())}
	if cfg.Bytes > 0 {
		c["log.retention.bytes"] = fmt.Sprint(cfg.Bytes)
	}
	return c
}

func (k *KafkaServer) sweep() {
	defer close(k.done)
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		k.ApplyRetention()
		select {
		case <-tick.C:
		case <-k.quit:
			return
		}
	}
}

// Brokers returns what clients connect to.
func (k *KafkaServer) Brokers() []string { return k.brokers }

// Close writes down what is in memory and ends the server.
func (k *KafkaServer) Close() {
	k.once.Do(func() {
		close(k.quit)
		<-k.done
		k.Cluster.Close()
	})
}

// logger hands kfake's errors on; what else it says is for its own developers.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError {
		l.log.Error("the Kafka in this process", "error", fmt.Errorf(format, args...))
	}
}
