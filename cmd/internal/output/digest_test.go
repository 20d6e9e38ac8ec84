package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

// scan is one of low severity from outside.
func scan(id string, revision uint32, source string, port uint16, pairs uint64) *schema.Alert {
	a := alert(id, revision)
	a.Severity, a.Source, a.Pairs = schema.Low, netip.MustParseAddr(source), schema.Count{Count: pairs, Exact: true}
	a.TopPorts = []schema.PortCount{{Port: port, Proto: "TCP", Hosts: pairs}}
	return a
}

// keeper keeps what it takes, unless it is away.
type keeper struct {
	away bool
	docs []document
}

func (k *keeper) send(_ context.Context, docs []document) error {
	if k.away {
		return errors.New("away")
	}
	k.docs = append(k.docs, docs...)
	return nil
}

func (k *keeper) close() {}

func record(t *testing.T, a *schema.Alert) *kgo.Record {
	t.Helper()
	text, err := schema.AppendAlert(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	return &kgo.Record{Value: text}
}

func TestLowScansFromOutsideAreToldTogetherWhenTheHourEnds(t *testing.T) {
	e, to := &Entry{Name: "soc", Digest: time.Hour}, new(keeper)
	o := &output{Entry: e, log: slog.New(slog.DiscardHandler), writer: siem.Writer{Format: siem.Native, Site: "berlin"}, policy: newPolicy(e), sink: to}
	severe, inside := scan("e", 1, "198.51.100.9", 22, 9), scan("f", 1, "10.0.0.9", 22, 9)
	severe.Severity, inside.Internal = schema.High, true
	batch := []*kgo.Record{
		record(t, scan("a", 1, "198.51.100.1", 22, 30)), record(t, scan("b", 1, "198.51.100.1", 23, 40)), record(t, severe),
		record(t, scan("a", 2, "198.51.100.1", 22, 90)), record(t, scan("c", 1, "198.51.100.2", 22, 50)), record(t, inside),
	}
	for range 2 { // a batch that comes again changes nothing
		if _, err := o.Process(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if len(to.docs) != 4 || o.count[inDigest].Load() != 8 {
		t.Fatalf("%d documents, %d in the digest", len(to.docs), o.count[inDigest].Load())
	}
	// Until the receiver takes it, the digest stays.
	o.digest.from = o.digest.from.Add(-time.Hour)
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	to.away = true
	if _, err := o.Process(cut, batch[2:3]); err == nil {
		t.Error("taken by a receiver that is away")
	}
	to.away, to.docs = false, nil
	if _, err := o.Process(t.Context(), batch[2:3]); err != nil || len(to.docs) != 2 {
		t.Fatalf("%d documents, %v", len(to.docs), err)
	}
	var d siem.Digest
	if err := json.Unmarshal(to.docs[0].text, &d); err != nil {
		t.Fatal(err)
	}
	if d.State != "digest" || d.Scans != 3 || d.Sources != 2 || d.Kinds["horizontal"] != 3 || d.Site != "berlin" ||
		d.TopPorts[0] != (siem.DigestPort{Port: 22, Proto: "TCP", Scans: 2}) || d.Top[0] != (siem.DigestScan{ID: "a", Source: "198.51.100.1", Pairs: 90}) {
		t.Errorf("%s", to.docs[0].text)
	}
	if says := to.docs[0].says; says != d.Message || !strings.HasPrefix(says, "3 scans of low severity by 2 sources from outside") {
		t.Errorf("%q", says)
	}
	if o.digest.scans != nil {
		t.Error("it would be told again")
	}
}

func TestADigestIsBoundedAndSaysWhatFoundNoRoom(t *testing.T) {
	var g digest
	for i := range maxDigested + 7 {
		g.add(scan(fmt.Sprint(i), 1, "198.51.100.1", 22, uint64(i)), noon)
	}
	if d := g.told("x", noon.Add(time.Hour)); d.Scans != maxDigested || d.More != 7 || len(d.Top) != digestedTop || d.Top[0].Pairs != maxDigested-1 {
		t.Errorf("%d scans, %d more, %v", d.Scans, d.More, d.Top)
	}
	if g.due(time.Hour, noon.Add(59*time.Minute)) || !g.due(time.Hour, noon.Add(time.Hour)) || new(digest).due(time.Hour, noon) {
		t.Error("due at another time than the full hour")
	}
}

// What a digest has when the program ends is told then, and each scan in one digest.
func TestADigestIsToldWhenTheOutputEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.json")
	b := newBench(t, "- {name: disk, to: "+path+", format: native, digest: 24h}\n")
	set, stop := b.start()
	for i := range 5 {
		if err := b.cl.ProduceSync(t.Context(), &kgo.Record{Topic: b.from.Topic, Value: record(t, scan(fmt.Sprintf("id%d", i), 1, "198.51.100.1", 22, 30)).Value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b.until("all are in the digest", func() bool { return set.named("disk") != nil && set.named("disk").count[inDigest].Load() == 5 })
	stop()
	scans := uint64(0)
	for _, line := range lines(t, path) {
		var d siem.Digest
		if err := json.Unmarshal([]byte(line), &d); err != nil || d.State != "digest" {
			t.Fatalf("%v: %s", err, line)
		}
		scans += d.Scans
	}
	if scans != 5 {
		t.Errorf("%d scans", scans)
	}
}

func TestADigestNeedsAFormAndATime(t *testing.T) {
	_, err := Read([]byte("- {name: a, to: /x, digest: 1s}\n- {name: b, to: /x, format: ocsf, digest: 1h}\n- {name: c, to: /x, digest: 1h}\n"))
	if err == nil || !strings.Contains(err.Error(), "line 1: entry 1: digest 1s: give 1m to 24h") ||
		!strings.Contains(err.Error(), "line 2: entry 2: digest: it has no form in ocsf") || strings.Contains(err.Error(), "entry 3") {
		t.Error(err)
	}
}
