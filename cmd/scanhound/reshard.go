package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/stream"
)

// reshardCommand moves the state of all partitions to topics of another number of them, or
// of another Kafka, so that every alert goes on.
type reshardCommand struct {
	Kafka  stream.KafkaConfig `embed:"" prefix:"kafka-" group:"From:"`
	Flows  string             `name:"flows-topic" default:"scanhound.flows.v1" group:"From:" help:"Topic of the flows that the detectors read now."`
	State  string             `name:"state-topic" default:"scanhound.state.v1" group:"From:" help:"Topic of their state."`
	Group  string             `name:"detector-group" default:"scanhound-detector.v1" group:"From:" help:"Consumer group of the detectors, before and after."`
	Alerts string             `name:"alerts-topic" default:"scanhound.alerts.v1" group:"From:" help:"Topic of the alerts, before and after."`

	To    stream.KafkaConfig `embed:"" prefix:"to-kafka-" group:"To (the same Kafka, unless to-kafka-brokers is given):"`
	Made  movedTopics        `embed:"" group:"To (the same Kafka, unless to-kafka-brokers is given):"`
	Quiet time.Duration      `default:"1m" group:"From:" help:"No ingest writes to the old topic any more if nothing came for so long."`
}

// movedTopics are the topics that take the state.
type movedTopics struct {
	Partitions int32         `name:"to" required:"" placeholder:"N" help:"Partitions of the new topics."`
	Flows      string        `name:"to-flows-topic" placeholder:"TOPIC" help:"Topic that flows will be written to; without it flows-topic with .pN behind."`
	State      string        `name:"to-state-topic" placeholder:"TOPIC" help:"Topic that the state goes to; without it state-topic with .pN behind."`
	Replicas   int16         `name:"kafka-replicas" default:"1" help:"Brokers that hold each partition of them; 3 in a cluster."`
	Retention  time.Duration `name:"flows-retention" default:"52h" help:"How long the new topic of the flows keeps its records: as ingest has it."`
}

// Validate says what is wrong and what to write instead.
func (c *reshardCommand) Validate() error {
	topics := stream.TopicConfig{Partitions: c.Made.Partitions, Replicas: c.Made.Replicas}
	switch {
	case c.Made.Partitions < 1 || c.Made.Partitions > 10_000:
		return fmt.Errorf("to %d: give 1 to 10000", c.Made.Partitions)
	case c.Quiet < time.Second:
		return fmt.Errorf("quiet %v: give 1s or more", c.Quiet)
	case c.Made.Retention < time.Hour:
		return fmt.Errorf("flows-retention %v: give at least 1h", c.Made.Retention)
	}
	return topics.Validate()
}

// Run makes the new topics, waits until all flows of the old one are in the state, and moves it.
func (c *reshardCommand) Run(ctx context.Context, s *service.Service) error {
	if _, err := c.Kafka.Options(); err != nil {
		return s.MisconfiguredIn("kafka-", err)
	}
	if s.Given("to-kafka-brokers") == "" {
		c.To = c.Kafka
	} else if _, err := c.To.Options(); err != nil {
		return s.MisconfiguredIn("to-kafka-", err)
	}
	c.Made.Flows = cmp.Or(c.Made.Flows, fmt.Sprintf("%s.p%d", c.Flows, c.Made.Partitions))
	c.Made.State = cmp.Or(c.Made.State, fmt.Sprintf("%s.p%d", c.State, c.Made.Partitions))
	to, err := c.prepare(ctx, s)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Stdout, "1. Restart every ingest with --flows-topic=%s --flows-partitions=%d. The detectors go on.\n", c.Made.Flows, c.Made.Partitions)
	from, err := c.settled(ctx, s)
	if err != nil {
		return err
	}
	if err := c.move(ctx, s, from, to); err != nil {
		return err
	}
	again, err := stream.LookAtEnds(ctx, c.Kafka, c.Flows, s.Log)
	if err != nil {
		return err
	}
	if !slices.Equal(again.Next, from.ends.Next) {
		return fmt.Errorf("flows came to %s while the state moved: find the ingest that still writes there, and begin again", c.Flows)
	}
	fmt.Fprintf(s.Stdout, "2. Restart every detector with --flows-topic=%s --state-topic=%s --flows-partitions=%d. All alerts go on.\n", c.Made.Flows, c.Made.State, c.Made.Partitions)
	return nil
}

// prepare makes the topics, and refuses those that detectors use already.
func (c *reshardCommand) prepare(ctx context.Context, s *service.Service) (*stream.Ends, error) {
	if c.Made.Flows == c.Flows && s.Given("to-kafka-brokers") == "" {
		return nil, fmt.Errorf("%s is the topic that is read now: give another to-flows-topic", c.Flows)
	}
	made := stream.TopicConfig{Partitions: c.Made.Partitions, Replicas: c.Made.Replicas, Retention: c.Made.Retention}
	if err := stream.PrepareTopic(ctx, c.To, c.Made.Flows, made, s.Log); err != nil {
		return nil, err
	}
	if err := stream.PrepareState(ctx, c.To, c.Made.State, c.Made.Flows, made, s.Log); err != nil {
		return nil, err
	}
	to, err := stream.LookAtEnds(ctx, c.To, c.Made.Flows, s.Log)
	if err != nil {
		return nil, err
	}
	if len(to.Next) != int(c.Made.Partitions) {
		return nil, fmt.Errorf("topic %s has %d partitions, not %d: give another to-flows-topic", c.Made.Flows, len(to.Next), c.Made.Partitions)
	}
	there, err := stream.LookAtState(ctx, c.To, c.Made.State, c.Group, s.Log)
	if err != nil {
		return nil, err
	}
	for partition, saved := range there {
		for _, sl := range saved.Slices {
			if sl.Covered > 0 {
				return nil, fmt.Errorf("topic %s, partition %d: a detector has written there already: stop it and give other topics", c.Made.State, partition)
			}
		}
	}
	return to, nil
}
