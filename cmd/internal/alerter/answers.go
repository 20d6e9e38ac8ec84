package alerter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/cmd/internal/cases"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// answers is the micro service scanhound: what others ask about scanners, in the queue group of
// all alerters, so that one of them answers.
// https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md
type answers struct {
	nats     *stream.NATS
	scanners *scanners
	stream   string
	log      *slog.Logger
}

// The service.
const (
	serviceName    = "scanhound"
	serviceVersion = "1.0.0" // of the questions and answers
	servicePrefix  = "scanhound.v1"

	answerTimeout = 5 * time.Second
	maxList       = 1000
)

// refusal is an answer that is an error.
type refusal struct {
	code, text string
}

func (r refusal) Error() string { return r.text }

// start begins to answer. Who may not subscribe is told, and goes on without.
func (a *answers) start() (stop func()) {
	service, err := micro.AddService(a.nats.Conn(), micro.Config{
		Name: serviceName, Version: serviceVersion, Description: "who scans, by the alerts that stand in " + a.stream,
		ErrorHandler: func(_ micro.Service, err *micro.NATSError) {
			a.log.Warn("the service on NATS", "subject", err.Subject, "error", err.Description)
		},
	})
	if err != nil {
		a.log.Warn("the service on NATS is not there; alerts are", "error", err)
		return func() {}
	}
	group := service.AddGroup(servicePrefix)
	for _, e := range []struct {
		name, request, response string
		answer                  func(context.Context, []byte) (any, error)
	}{
		{"scanner.get", getSchema, scannerSchema, a.get},
		{"scanner.list", listSchema, `{"type":"object","properties":{"scanners":{"type":"array","items":` + scannerSchema + `},"next":{"type":"string"}}}`, a.list},
		{"scanner.stats", `{}`, statsSchema, a.stats},
		{"scanner.explain", explainSchema, `{"type":"object","properties":{"text":{"type":"string"},"alert":{"type":"object"}}}`, a.explain},
	} {
		handler := micro.HandlerFunc(func(r micro.Request) {
			ctx, stop := context.WithTimeout(context.Background(), answerTimeout)
			defer stop()
			a.reply(r, func() (any, error) { return e.answer(ctx, r.Data()) })
		})
		err := group.AddEndpoint(strings.ReplaceAll(e.name, ".", "-"), handler, micro.WithEndpointSubject(e.name),
			micro.WithEndpointMetadata(map[string]string{"request_schema": e.request, "response_schema": e.response}))
		if err != nil {
			a.log.Warn("the service on NATS lacks an endpoint", "subject", servicePrefix+"."+e.name, "error", err)
		}
	}
	return func() { _ = service.Stop() } // the connection is closed next
}

func (a *answers) reply(r micro.Request, answer func() (any, error)) {
	value, err := answer()
	var refused refusal
	switch {
	case err == nil:
		err = r.RespondJSON(value)
	case errors.As(err, &refused):
		err = r.Error(refused.code, refused.text, nil)
	default:
		a.log.Warn("a question on NATS is not answered", "subject", r.Subject(), "error", err)
		err = r.Error("503", "NATS does not tell now: "+err.Error(), nil)
	}
	if err != nil {
		a.log.Warn("answer on NATS", "subject", r.Subject(), "error", err)
	}
}

// The shapes of questions and answers, as JSON Schema.
const (
	getSchema     = `{"type":"object","required":["source"],"properties":{"source":{"type":"string","description":"IPv4 or IPv6 address"}}}`
	listSchema    = `{"type":"object","properties":{"severity":{"enum":["low","medium","high","critical"]},"limit":{"type":"integer","minimum":1,"maximum":1000},"after":{"type":"string","description":"next of the answer before"}}}`
	explainSchema = `{"type":"object","required":["alert"],"properties":{"alert":{"type":"string","pattern":"^[0-9a-f]{12,32}$"}}}`
	scannerSchema = `{"type":"object","required":["source","severity","alerts","last_seen"],"properties":{"source":{"type":"string"},"source_prefix":{"type":"integer"},"severity":{"type":"string"},"last_seen":{"type":"string","format":"date-time"},"alerts":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"revision":{"type":"integer"},"kind":{"type":"string"},"severity":{"type":"string"},"hosts":{"type":"integer"},"ports":{"type":"integer"},"last_seen":{"type":"string","format":"date-time"}}}}}}`
	statsSchema   = `{"type":"object","properties":{"scanners":{"type":"integer"},"revisions":{"type":"integer"},"alerts":{"type":"integer"},"bytes":{"type":"integer"},"first":{"type":"string","format":"date-time"},"last":{"type":"string","format":"date-time"}}}`
)

// asked reads a question; an empty one asks for nothing in particular.
func asked(data []byte, into any) error {
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return refusal{"400", "the question is no JSON object as the endpoint's request_schema says: " + err.Error()}
	}
	return nil
}

func (a *answers) get(ctx context.Context, data []byte) (any, error) {
	var q struct{ Source string }
	if err := asked(data, &q); err != nil {
		return nil, err
	}
	source, err := netip.ParseAddr(q.Source)
	if err != nil {
		return nil, refusal{"400", fmt.Sprintf(`source %q is no address: ask with {"source":"192.0.2.1"}`, q.Source)}
	}
	kv, err := a.scanners.bucket(ctx)
	if err != nil {
		return nil, err
	}
	s, err := a.read(ctx, kv, ScannerKey(source))
	if errors.Is(err, jetstream.ErrKeyNotFound) && source.Is6() && !source.Is4In6() {
		s, err = a.read(ctx, kv, ScannerKey(netip.PrefixFrom(source, 64).Masked().Addr())) // the source may be all of its /64
	}
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, refusal{"404", source.String() + " has no open alert"}
	}
	return s, err
}

func (a *answers) read(ctx context.Context, kv jetstream.KeyValue, key string) (Scanner, error) {
	entry, err := kv.Get(ctx, key)
	if err != nil {
		return Scanner{}, err
	}
	var s Scanner
	return s, json.Unmarshal(entry.Value(), &s)
}

func (a *answers) list(ctx context.Context, data []byte) (any, error) {
	q := struct {
		Severity schema.Severity
		Limit    int
		After    string
	}{Limit: 100}
	if err := asked(data, &q); err != nil {
		return nil, err
	}
	if q.Limit < 1 || q.Limit > maxList {
		return nil, refusal{"400", fmt.Sprintf("limit %d: give 1 to %d", q.Limit, maxList)}
	}
	kv, err := a.scanners.bucket(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := keysOf(ctx, kv)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Scanners []Scanner `json:"scanners"`
		Next     string    `json:"next,omitempty"`
	}
	answer.Scanners = []Scanner{}
	from, found := slices.BinarySearch(keys, q.After)
	if found {
		from++
	}
	for _, key := range keys[from:] {
		s, err := a.read(ctx, kv, key)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound): // closed meanwhile
		case err != nil:
			return nil, err
		case s.Severity == s.Severity.OrMore(q.Severity):
			answer.Scanners = append(answer.Scanners, s)
		}
		if len(answer.Scanners) == q.Limit {
			answer.Next = key
			break
		}
	}
	return answer, nil
}

func keysOf(ctx context.Context, kv jetstream.KeyValue) ([]string, error) {
	lister, err := kv.ListKeys(ctx)
	if err != nil {
		return nil, err
	}
	var keys []string
	for key := range lister.Keys() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys, ctx.Err() // cut off, they would be too few
}

func (a *answers) stats(ctx context.Context, _ []byte) (any, error) {
	kv, err := a.scanners.bucket(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := keysOf(ctx, kv)
	if err != nil {
		return nil, err
	}
	s, err := a.nats.JetStream().Stream(ctx, a.stream)
	if err != nil {
		return nil, err
	}
	state := s.CachedInfo().State
	return struct {
		Scanners  int       `json:"scanners"`
		Revisions uint64    `json:"revisions"`
		Alerts    uint64    `json:"alerts"`
		Bytes     uint64    `json:"bytes"`
		First     time.Time `json:"first"`
		Last      time.Time `json:"last"`
	}{len(keys), state.Msgs, state.NumSubjects, state.Bytes, state.FirstTime, state.LastTime}, nil
}

// explain tells of one alert what scanhound alerts show does. What a detector holds of a source now
// is on the detector's admin port, /explain.
func (a *answers) explain(ctx context.Context, data []byte) (any, error) {
	var q struct{ Alert string }
	if err := asked(data, &q); err != nil {
		return nil, err
	}
	alert, err := cases.Store{JS: a.nats.JetStream(), Name: a.stream}.Get(ctx, q.Alert)
	switch {
	case errors.Is(err, cases.ErrNone):
		return nil, refusal{"404", err.Error()}
	case errors.Is(err, cases.ErrID):
		return nil, refusal{"400", err.Error()}
	case err != nil:
		return nil, err
	}
	raw, err := schema.AppendAlert(nil, alert)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	cases.Ticket(&text, alert)
	return struct {
		Text  string          `json:"text"`
		Alert json.RawMessage `json:"alert"`
	}{text.String(), raw}, nil
}
