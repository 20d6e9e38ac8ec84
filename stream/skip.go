package stream

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Offsets are some records of one partition, from First to Last: as a text 3:12345 or
// 3:12345-12350.
type Offsets struct {
	Partition   int32
	First, Last int64
}

// UnmarshalText reads what String writes.
func (o *Offsets) UnmarshalText(text []byte) error {
	partition, offsets, ok := strings.Cut(strings.TrimSpace(string(text)), ":")
	first, last, isRange := strings.Cut(offsets, "-")
	if !isRange {
		last = first
	}
	n, err1 := strconv.ParseInt(partition, 10, 32)
	from, err2 := strconv.ParseInt(first, 10, 64)
	to, err3 := strconv.ParseInt(last, 10, 64)
	if !ok || errors.Join(err1, err2, err3) != nil || n < 0 || from < 0 || to < from || to == math.MaxInt64 {
		return errors.New("want PARTITION:OFFSET or PARTITION:FIRST-LAST, such as 3:12345 or 3:12345-12350")
	}
	*o = Offsets{int32(n), from, to}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (o Offsets) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

func (o Offsets) String() string {
	if o.First == o.Last {
		return fmt.Sprintf("%d:%d", o.Partition, o.First)
	}
	return fmt.Sprintf("%d:%d-%d", o.Partition, o.First, o.Last)
}

// Skip is which records of a topic are left out unread, because one of them makes the
// program panic: such a record stops every program that reads it.
type Skip []Offsets

// Has says whether r is left out.
func (s Skip) Has(r *kgo.Record) bool {
	return slices.ContainsFunc(s, func(o Offsets) bool {
		return o.Partition == r.Partition && o.First <= r.Offset && r.Offset <= o.Last
	})
}

// with is the setting that leaves out r too; neighbours become one range.
func (s Skip) with(r *kgo.Record) string {
	all := append(slices.Clone(s), Offsets{r.Partition, r.Offset, r.Offset})
	slices.SortFunc(all, func(a, b Offsets) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.First, b.First))
	})
	var texts []string
	for i := 0; i < len(all); {
		o := all[i]
		for i++; i < len(all) && all[i].Partition == o.Partition && all[i].First <= o.Last+1; i++ {
			o.Last = max(o.Last, all[i].Last)
		}
		texts = append(texts, o.String())
	}
	return strings.Join(texts, ",")
}

// Read calls read, which handles r. Where it panics, the error names r, and what to give
// as the named setting to get past it. What read was about to change is then in no known state.
func (s Skip) Read(r *kgo.Record, setting string, log *slog.Logger, read func()) (err error) {
	defer func() {
		what := recover()
		if what == nil {
			return
		}
		log.Error("BUG: a record makes this program panic: please report it, with these lines",
			"topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "panic", fmt.Sprint(what), "stack", string(debug.Stack()))
		err = fmt.Errorf("BUG: the record at offset %d of partition %d of topic %s makes this program panic: %v: start it with --%s=%s to leave the record out",
			r.Offset, r.Partition, r.Topic, what, setting, s.with(r))
	}()
	read()
	return nil
}
