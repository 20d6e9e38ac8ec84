package stream

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestOffsetsAreReadAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{"0:0", "3:12345", "3:12345-12350"} {
		var o Offsets
		if err := o.UnmarshalText([]byte(text)); err != nil || o.String() != text {
			t.Errorf("%s: %v, %v", text, o, err)
		}
	}
	for _, text := range []string{"", "3", "3:", ":4", "-1:4", "3:-4", "3:9-8", "3:4-", "3:x", "99999999999:1", "3:0-9223372036854775807"} {
		var o Offsets
		if err := o.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %v", text, o)
		}
	}
}

func TestTheRecordsOfARangeAreLeftOutAndNoOthers(t *testing.T) {
	s := Skip{{Partition: 3, First: 5, Last: 7}, {Partition: 4, First: 9, Last: 9}}
	for _, x := range []struct {
		partition int32
		offset    int64
		has       bool
	}{{3, 4, false}, {3, 5, true}, {3, 7, true}, {3, 8, false}, {4, 9, true}, {4, 5, false}, {0, 9, false}} {
		if got := s.Has(&kgo.Record{Partition: x.partition, Offset: x.offset}); got != x.has {
			t.Errorf("%d:%d: %v", x.partition, x.offset, got)
		}
	}
}

func TestARecordThatPanicsIsNamedWithTheWholeSettingThatLeavesItOut(t *testing.T) {
	s := Skip{{Partition: 3, First: 7, Last: 8}, {Partition: 1, First: 2, Last: 2}}
	r := &kgo.Record{Topic: "flows", Partition: 3, Offset: 9}
	log := slog.New(slog.DiscardHandler)
	err := s.Read(r, "skip-offsets", log, func() { panic("oh") })
	for _, says := range []string{"BUG", "offset 9 of partition 3 of topic flows", "oh", "--skip-offsets=1:2,3:7-9 "} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %s", err, says)
		}
	}
	if err := s.Read(r, "skip-offsets", log, func() {}); err != nil {
		t.Error(err)
	}
}
