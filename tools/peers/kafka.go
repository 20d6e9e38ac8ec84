package main

import (
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// serveKafka is the broker of a run, in a process of its own, so that its CPU
// time is not ingest's. It ends when in does, which is when its parent ends. It
// keeps 4 MiB of each partition: minutes of flows would not fit into memory.
func serveKafka(in io.Reader, out io.Writer) error {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"log.retention.bytes": "4194304"}))
	if err != nil {
		return fmt.Errorf("start the Kafka of this run: %w", err)
	}
	defer cluster.Close()
	if _, err := fmt.Fprintln(out, cluster.ListenAddrs()[0]); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, in) // any end of it is the end
	}()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return nil
		case <-tick.C:
			cluster.ApplyRetention()
		}
	}
}
