package alerter_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/schema"
)

// told is a revision as a detector writes it.
func told(source, id string, revision uint32, state schema.State, severity schema.Severity) string {
	at := time.Date(2026, 11, 27, 8, int(revision), 0, 0, time.UTC)
	a := schema.Alert{
		ID: strings.Repeat(id, 16), Revision: revision, State: state, Kind: schema.Block, Severity: severity, Source: netip.MustParseAddr(source),
		FirstSeen: at, LastSeen: at, Scale: schema.Scale{Hosts: schema.Count{Count: uint64(revision) * 10, Exact: true}},
	}
	text, err := schema.AppendAlert(nil, &a)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// keys is what the bucket has.
func (r *running) keys(t *testing.T) map[string]alerter.Scanner {
	t.Helper()
	all := map[string]alerter.Scanner{}
	kv, err := r.nats.JetStream().KeyValue(soon(t), alerter.Bucket)
	if err != nil {
		return all // not made yet
	}
	keys, err := kv.ListKeys(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for key := range keys.Keys() {
		entry, err := kv.Get(soon(t), key)
		if err == nil {
			var s alerter.Scanner
			if err := json.Unmarshal(entry.Value(), &s); err != nil {
				t.Fatal(err)
			}
			all[key] = s
		}
	}
	return all
}

func (r *running) has(t *testing.T, what string, is func(map[string]alerter.Scanner) bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(r.keys(t)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s; the bucket has %+v", what, r.keys(t))
		}
	}
}

func (r *running) ask(t *testing.T, subject, question string) (answer map[string]any, code string) {
	t.Helper()
	m, err := r.nats.Conn().RequestWithContext(soon(t), subject, []byte(question))
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	if code = m.Header.Get(micro.ErrorCodeHeader); code != "" {
		return nil, code + " " + m.Header.Get(micro.ErrorHeader)
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		t.Fatal(err)
	}
	return answer, ""
}

func TestTheBucketHasWhoScansNow(t *testing.T) {
	r := start(t)
	r.write(t,
		told("198.51.100.7", "aa", 1, schema.Open, schema.Low), told("198.51.100.7", "aa", 2, schema.Update, schema.High),
		told("198.51.100.7", "bb", 1, schema.Open, schema.Medium), told("2001:db8::7", "cc", 1, schema.Open, schema.Low),
		told("203.0.113.9", "dd", 1, schema.Open, schema.Low), told("203.0.113.9", "dd", 2, schema.Close, schema.Low),
	)
	r.wait(t, 6)
	r.has(t, "two scanners", func(all map[string]alerter.Scanner) bool {
		four, six := all["198.51.100.7"], all["20010db8000000000000000000000007"]
		return len(all) == 2 && len(four.Alerts) == 2 && four.Severity == schema.High && four.Alerts[0].Revision == 2 && four.Alerts[0].Hosts == 20 && len(six.Alerts) == 1
	})
	// After a crash what was read is read again, and changes nothing.
	r.write(t, told("198.51.100.7", "aa", 1, schema.Open, schema.Low), told("198.51.100.7", "bb", 2, schema.Close, schema.Medium))
	r.wait(t, 8)
	r.has(t, "one alert is left", func(all map[string]alerter.Scanner) bool {
		s := all["198.51.100.7"]
		return len(s.Alerts) == 1 && s.Alerts[0].Revision == 2 && s.Severity == schema.High
	})
	// All of them closed, and one of them opened again by its scanner.
	r.write(t, told("198.51.100.7", "aa", 3, schema.Close, schema.High))
	r.has(t, "it is gone", func(all map[string]alerter.Scanner) bool { _, is := all["198.51.100.7"]; return !is })
	r.write(t, told("198.51.100.7", "aa", 4, schema.Update, schema.Critical))
	r.has(t, "it is back", func(all map[string]alerter.Scanner) bool { return all["198.51.100.7"].Severity == schema.Critical })
}

func TestTheServiceAnswersAndSaysHow(t *testing.T) {
	r := start(t)
	var revisions []string
	for i := range 30 {
		severity := schema.Low
		if i%10 == 0 {
			severity = schema.Critical
		}
		revisions = append(revisions, told(fmt.Sprintf("198.51.100.%d", i), fmt.Sprintf("%02x", i+16), 1, schema.Open, severity))
	}
	r.write(t, append(revisions, told("2001:db8:1:2::", "cc", 1, schema.Open, schema.Low))...)
	r.wait(t, 31)
	r.has(t, "all scanners", func(all map[string]alerter.Scanner) bool { return len(all) == 31 })

	if got, code := r.ask(t, "scanhound.v1.scanner.get", `{"source":"198.51.100.10"}`); code != "" || got["severity"] != "critical" {
		t.Errorf("get: %v %s", got, code)
	}
	if got, code := r.ask(t, "scanhound.v1.scanner.get", `{"source":"2001:db8:1:2::99"}`); code != "" || got["source"] != "2001:db8:1:2::" {
		t.Errorf("get of an address in a /64 that scans: %v %s", got, code)
	}
	seen, after, asked := map[string]bool{}, "", 0
	for ; asked == 0 || after != ""; asked++ {
		got, code := r.ask(t, "scanhound.v1.scanner.list", fmt.Sprintf(`{"limit":7,"after":%q}`, after))
		if code != "" {
			t.Fatal(code)
		}
		for _, s := range got["scanners"].([]any) {
			seen[s.(map[string]any)["source"].(string)] = true
		}
		after, _ = got["next"].(string)
	}
	if len(seen) != 31 || asked != 5 {
		t.Errorf("%d scanners in %d answers", len(seen), asked)
	}
	if got, _ := r.ask(t, "scanhound.v1.scanner.list", `{"severity":"critical"}`); len(got["scanners"].([]any)) != 3 {
		t.Errorf("critical ones: %v", got)
	}
	if got, code := r.ask(t, "scanhound.v1.scanner.stats", ""); code != "" || got["scanners"] != 31.0 || got["alerts"] != 31.0 {
		t.Errorf("stats: %v %s", got, code)
	}
	if got, code := r.ask(t, "scanhound.v1.scanner.explain", `{"alert":"`+strings.Repeat("1a", 6)+`"}`); code != "" || !strings.Contains(got["text"].(string), "198.51.100.10") {
		t.Errorf("explain: %v %s", got, code)
	}
	for question, says := range map[string]string{
		`scanhound.v1.scanner.get {"source":"192.0.2.1"}`:        "404 192.0.2.1 has no open alert",
		`scanhound.v1.scanner.get {"source":"nobody"}`:           "400 source \"nobody\" is no address",
		`scanhound.v1.scanner.get [`:                             "400 the question is no JSON object",
		`scanhound.v1.scanner.list {"limit":5000}`:               "400 limit 5000: give 1 to 1000",
		`scanhound.v1.scanner.explain {"alert":"0123456789ab"}`:  "404 no such alert",
		`scanhound.v1.scanner.explain {"alert":"alerts.scan.>"}`: "400 not the id of one alert",
	} {
		subject, body, _ := strings.Cut(question, " ")
		if _, code := r.ask(t, subject, body); !strings.HasPrefix(code, says) {
			t.Errorf("%s: %q, want %q", question, code, says)
		}
	}
	var info micro.Info
	m, err := r.nats.Conn().RequestWithContext(soon(t), "$SRV.INFO.scanhound", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(m.Data, &info); err != nil || len(info.Endpoints) != 4 {
		t.Fatalf("%+v, %v", info, err)
	}
	for _, e := range info.Endpoints {
		if !json.Valid([]byte(e.Metadata["request_schema"])) || !json.Valid([]byte(e.Metadata["response_schema"])) {
			t.Errorf("%s: its schemas are %v", e.Subject, e.Metadata)
		}
	}
}

func TestAlertsWaitForNoBucket(t *testing.T) {
	r := prepare(t)
	// A stream that is in the way of the bucket: it cannot be made.
	if _, err := r.nats.JetStream().CreateStream(soon(t), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"$KV." + alerter.Bucket + ".>"}}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- r.Run(ctx) }()
	r.write(t, told("198.51.100.7", "aa", 1, schema.Open, schema.Low))
	if s := r.wait(t, 1); s.Published != 1 {
		t.Errorf("%+v", s)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(30 * time.Second); ; {
		_, err := r.nats.Conn().Request("scanhound.v1.scanner.stats", nil, time.Second)
		if errors.Is(err, nats.ErrNoResponders) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after its end the service says %v", err)
		}
	}
}
