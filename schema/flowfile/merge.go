package flowfile

import (
	"cmp"
	"iter"
	"math"
	"os"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// Merged is Flows with the files merged by time: by when datagrams were recorded,
// and when flows of lines began. Two exporters' files of the same hours come out
// as if one collector had seen both; files that follow each other, such as a
// capture that was split, come out one after the other, whatever their order.
//
// Within a file the order stays as it is: what is before its time there waits for
// nothing, and goes with what stands before it. A file is opened when its time
// comes; that is found out by reading its beginning first, but for what can be
// read only once, such as standard input.
func (r *Reader) Merged(decode Decode) iter.Seq2[[]schema.Flow, error] {
	if len(r.names) < 2 {
		return r.Flows(decode)
	}
	return func(yield func([]schema.Flow, error) bool) {
		m := merger{r: r}
		defer m.stop()
		for i, name := range r.names {
			m.waiting = append(m.waiting, &cursor{at: i, name: name, key: r.begins(name)})
		}
		r.names = nil
		slices.SortStableFunc(m.waiting, func(a, b *cursor) int { return cmp.Compare(a.key, b.key) })
		for c := m.first(); c != nil; c = m.first() {
			var flows []schema.Flow
			switch p := c.part; {
			case c.err != nil:
			case p.lines != nil:
				n := c.until(m.limit(c))
				flows, c.part.lines = p.lines[:n], p.lines[n:]
			default:
				r.flows = decode(r.flows[:0], p.datagram.From, p.datagram.Received, p.datagram.Payload)
				flows = r.flows
			}
			if (len(flows) > 0 || c.err != nil) && !yield(flows, c.err) {
				return
			}
			c.advance()
		}
	}
}

// part is what is read of a file at a time: a datagram, or flows of lines.
type part struct {
	datagram Datagram
	lines    []schema.Flow
}

// cursor is one file that is read.
type cursor struct {
	at   int // among the names
	name string
	key  schema.Time // of what comes next: the latest until there
	next func() (part, error, bool)
	stop func()

	part part
	err  error
	over bool
}

// advance goes to what comes next, unless there are lines left.
func (c *cursor) advance() {
	if c.err != nil || len(c.part.lines) == 0 {
		p, err, ok := c.next()
		c.part, c.err, c.over = p, err, !ok
	}
	switch {
	case c.over || c.err != nil:
	case len(c.part.lines) > 0:
		c.key = max(c.key, lineKey(&c.part.lines[0]))
	default:
		c.key = max(c.key, c.part.datagram.Received)
	}
}

// until returns how many of the lines go before limit, one at least.
func (c *cursor) until(limit schema.Time) int {
	for i := 1; i < len(c.part.lines); i++ {
		if lineKey(&c.part.lines[i]) > limit {
			return i
		}
	}
	return len(c.part.lines)
}

// lineKey is when a flow began, but not after it was over: a clock that runs ahead
// would hold up its file.
func lineKey(f *schema.Flow) schema.Time {
	at := f.EventTime()
	if f.Received != 0 {
		at = min(at, f.Received)
	}
	return at
}

// merger is the files whose time has come, and those that wait for it.
type merger struct {
	r       *Reader
	open    []*cursor
	waiting []*cursor // in the order of their first times
}

// first returns the file whose turn it is, nil at the end.
func (m *merger) first() *cursor {
	for {
		var c *cursor
		m.open = slices.DeleteFunc(m.open, func(o *cursor) bool {
			if o.over {
				o.stop()
			} else if c == nil || o.key < c.key || o.key == c.key && o.at < c.at {
				c = o
			}
			return o.over
		})
		if len(m.waiting) == 0 || c != nil && c.key < m.waiting[0].key {
			return c
		}
		w := m.waiting[0]
		m.waiting = m.waiting[1:]
		w.key = 0
		w.next, w.stop = iter.Pull2(m.r.file(w.name))
		w.advance()
		m.open = append(m.open, w)
	}
}

// limit is the time up to which c goes on before another file has its turn.
func (m *merger) limit(c *cursor) schema.Time {
	limit := schema.Time(math.MaxInt64)
	for _, o := range m.open {
		if o != c {
			limit = min(limit, o.key)
		}
	}
	if len(m.waiting) > 0 {
		limit = min(limit, m.waiting[0].key)
	}
	return limit
}

func (m *merger) stop() {
	for _, c := range m.open {
		c.stop()
	}
}

// file yields what is in one file.
func (r *Reader) file(name string) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		stopped := false
		err := r.read(name, func(f *format, in *input) error {
			if f.datagrams != nil {
				return f.datagrams(r, in, func(d Datagram) bool {
					stopped = !yield(part{datagram: d}, nil)
					return !stopped
				})
			}
			return f.flows(r, in, func(lines []schema.Flow) bool {
				stopped = !yield(part{lines: lines}, nil)
				return !stopped
			})
		})
		if err != nil && !stopped {
			yield(part{}, err)
		}
	}
}

// begins returns the first time in a file; 0 if there is none, or if it cannot be
// read twice.
func (r *Reader) begins(name string) schema.Time {
	info, err := os.Stat(name)
	if name == "-" || err != nil || !info.Mode().IsRegular() {
		return 0
	}
	look := Reader{format: r.format}
	for p, err := range look.file(name) {
		switch {
		case err != nil:
			return 0
		case len(p.lines) > 0:
			return lineKey(&p.lines[0])
		case p.datagram.Received != 0:
			return p.datagram.Received
		}
	}
	return 0
}
