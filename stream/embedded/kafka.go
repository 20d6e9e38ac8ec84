package embedded

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// KafkaConfig says what the Kafka in the process is like.
type KafkaConfig struct {
	Dir     string                   // where data is kept; "" keeps it in memory
	Port    int                      // on loopback; 0 chooses one
	Topics  map[string]int32         // topics that are made, with their partitions
	Keep    time.Duration            // how long records of a topic without a retention of its own are kept; 0 is a week
	Retain  map[string]time.Duration // the same of some topics, whatever they were made with
	Bytes   int64                    // how many bytes all partitions may take; 0 is no limit
	Bulk    string                   // the topic whose oldest records go when there are more
	Segment int64                    // bytes of a file, and so how much is deleted at once; 0 is 16 MiB
	Sweep   time.Duration            // how often what is not kept is deleted; 0 is a minute
}

// A segment is read as a whole at the start, one of each partition at once.
const segment = 16 << 20

func (c KafkaConfig) orDefault() KafkaConfig {
	if c.Keep == 0 {
		c.Keep = 7 * 24 * time.Hour
	}
	if c.Segment == 0 {
		c.Segment = segment
	}
	if c.Sweep == 0 {
		c.Sweep = time.Minute
	}
	return c
}

// KafkaServer is a running Kafka.
type KafkaServer struct {
	*kfake.Cluster
	brokers []string
	once    sync.Once
	sweeper *sweeper // nil where data is kept in memory
}

// Kafka starts one broker. Topics that exist in the folder keep their partitions. What
// is acknowledged is on the disk. What a crash has cut off in the middle is mended, and
// said in the log. The folder must be of this process alone.
func Kafka(cfg KafkaConfig, log *slog.Logger) (*KafkaServer, error) {
	cfg = cfg.orDefault()
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("scanhound"),
		kfake.WithLogger(logger{log}),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes": fmt.Sprint(cfg.Segment),
			// Never: kfake compacts by deleting what it then writes anew, which a kill in between
			// loses, and what it expires may be all, after which a restart counts offsets from 0.
			// See sweeper.
			"log.cleaner.backoff.ms": fmt.Sprint(math.MaxInt64 / int64(time.Millisecond)),
		}),
	}
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
			return nil, fmt.Errorf("start the Kafka in this process: %w", err)
		}
		if err := mend(cfg.Dir, log); err != nil {
			return nil, fmt.Errorf("start the Kafka in this process: mend %s: %w", cfg.Dir, err)
		}
		opts = append(opts, kfake.DataDir(cfg.Dir), kfake.SyncWrites())
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
	k := &KafkaServer{Cluster: cluster, brokers: cluster.ListenAddrs()}
	if cfg.Dir == "" {
		return k, nil
	}
	k.ControlKey(int16(kmsg.CreateTopics), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		smallSegments(r.(*kmsg.CreateTopicsRequest), cfg.Segment)
		return nil, nil, false
	})
	if k.sweeper, err = newSweeper(cfg, k.brokers, log); err != nil {
		cluster.Close()
		return nil, fmt.Errorf("start the Kafka in this process: %w", err)
	}
	return k, nil
}

// smallSegments takes no topic's own word for how large a segment is.
func smallSegments(r *kmsg.CreateTopicsRequest, limit int64) {
	for _, t := range r.Topics {
		for i, c := range t.Configs {
			if c.Name != "segment.bytes" || c.Value == nil {
				continue
			}
			if n, err := strconv.ParseInt(*c.Value, 10, 64); err != nil || n > limit {
				t.Configs[i].Value = kmsg.StringPtr(strconv.FormatInt(limit, 10))
			}
		}
	}
}

// Brokers returns what clients connect to.
func (k *KafkaServer) Brokers() []string { return k.brokers }

// Bytes returns what each topic takes on the disk. It is nil where data is kept in memory.
func (k *KafkaServer) Bytes() map[string]int64 {
	if k.sweeper == nil {
		return nil
	}
	sizes := map[string]int64{}
	for _, p := range k.sweeper.look() {
		sizes[p.topic] += p.bytes()
	}
	return sizes
}

// Close writes down what is in memory and ends the server.
func (k *KafkaServer) Close() {
	k.once.Do(func() {
		if k.sweeper != nil {
			k.sweeper.close()
		}
		k.Cluster.Close()
	})
}

// logger hands kfake's errors on, and its warnings: most are of a disk that does not
// take what is written. What else it says is for its own developers.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("the Kafka in this process", "error", fmt.Errorf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("the Kafka in this process", "warning", fmt.Sprintf(format, args...))
	}
}

// dial returns a client of the server itself.
func dial(brokers []string) (*kgo.Client, error) { return kgo.NewClient(kgo.SeedBrokers(brokers...)) }
