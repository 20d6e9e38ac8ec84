package ingest

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema/netflow"
	"github.com/scanhound/scanhound/stream"
)

// ipfixSet is an IPFIX datagram of one set.
func ipfixSet(id uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, 10)
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(noon.Std().Unix()))
	b = append(b, make([]byte, 8)...) // sequence, domain
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(body)))
	return append(b, body...)
}

var (
	addressesTemplate = ipfixSet(2, []byte{1, 0, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4}) // 256: source and destination
	twoFlows          = ipfixSet(256, []byte{198, 51, 100, 7, 203, 0, 113, 1, 198, 51, 100, 7, 203, 0, 113, 2})
)

// testWorker shares templates, and hands nothing on.
func testWorker(templates *netflow.Templates, cfg *Config) *worker {
	var nobody atomic.Pointer[detect.Sources]
	return newWorker(templates, &place.Book{}, &noticeLog{log: slog.New(slog.DiscardHandler)}, &nobody, cfg)
}

// say hands one datagram in and returns its flows.
func say(w *worker, from netip.Addr, at time.Duration, b []byte) int {
	before := len(w.flows)
	w.decode(&stream.Datagram{From: netip.AddrPortFrom(from, 50000), Received: noon.Add(at), Data: b})
	return len(w.flows) - before
}

// flowsOf returns how many flows each account has.
func flowsOf(workers ...*worker) map[string]uint64 {
	all := map[string]uint64{}
	for _, w := range workers {
		w.accounts(func(e *Exporter) { all[e.Addr.String()] += e.Flows })
	}
	return all
}

func TestFlowsThatWaitedAreOnTheAccountOfTheirOwnExporter(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	key := templateRecords(b)
	for name, later := range map[string]func(t *testing.T, w *worker, templates *netflow.Templates){
		"with a datagram of another exporter": func(t *testing.T, w *worker, templates *netflow.Templates) {
			load(t, templates, key)
			if n := say(w, a, time.Second, addressesTemplate); n != 2 {
				t.Fatalf("%d flows came out with the other exporter's datagram", n)
			}
		},
		"while nothing arrives": func(t *testing.T, w *worker, templates *netflow.Templates) {
			load(t, templates, key)
			w.idle(noon.Add(time.Second))
			if len(w.flows) != 2 {
				t.Fatalf("%d flows", len(w.flows))
			}
		},
		"with its own template": func(t *testing.T, w *worker, _ *netflow.Templates) {
			if n := say(w, b, time.Second, addressesTemplate); n != 2 {
				t.Fatalf("%d flows", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults.Of[Config]()
			templates := netflow.NewTemplates(cfg.NetFlow)
			w := testWorker(templates, &cfg)
			if n := say(w, b, 0, twoFlows); n != 0 {
				t.Fatalf("%d flows without a template", n)
			}
			later(t, w, templates)
			got := flowsOf(w)
			if got[a.String()] != 0 || got[b.String()] != 2 {
				t.Errorf("accounts: %v", got)
			}
			if sum := w.decoder.Stats().Records.Flows; sum != 2 {
				t.Errorf("the decoder counts %d flows", sum)
			}
		})
	}
}

// What b told another ingest of its templates.
func templateRecords(b netip.Addr) [][2][]byte {
	var all [][2][]byte
	other := netflow.NewTemplates(netflow.Config{})
	other.OnChange(func(k, v []byte) { all = append(all, [2][]byte{k, v}) })
	netflow.NewDecoder(other, netflow.Config{}).DecodeFrom(nil, netip.AddrPortFrom(b, 50000), noon, addressesTemplate)
	return all
}

func load(t *testing.T, templates *netflow.Templates, records [][2][]byte) {
	t.Helper()
	for _, r := range records {
		if err := templates.Load(r[0], r[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// The flows of one exporter may come out at another worker, which then has an account of it without datagrams.
func TestAccountsAddUpToTheFlowsOfAllDecoders(t *testing.T) {
	cfg := defaults.Of[Config]()
	cfg.Exporters.Max = 2
	templates := netflow.NewTemplates(cfg.NetFlow)
	one, two := testWorker(templates, &cfg), testWorker(templates, &cfg)
	for i := range 5 {
		from := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		say(one, from, 0, twoFlows)
		say(two, from, time.Second, twoFlows)
		say(one, from, 2*time.Second, addressesTemplate)
		say(two, from, 3*time.Second, twoFlows)
	}
	for _, w := range []*worker{one, two} {
		w.idle(noon.Add(4 * time.Second))
	}
	var accounts, decoded uint64
	for _, n := range flowsOf(one, two) {
		accounts += n
	}
	for _, w := range []*worker{one, two} {
		decoded += w.decoder.Stats().Records.Flows
	}
	want := map[string]uint64{"192.0.2.0": 6, "192.0.2.1": 6, "invalid IP": 18}
	if accounts != decoded || decoded != 30 || !cmp.Equal(flowsOf(one, two), want) {
		t.Errorf("%d flows decoded, %d on accounts: %v", decoded, accounts, flowsOf(one, two))
	}
	if n := len(one.flows) + len(two.flows); uint64(n) != decoded {
		t.Errorf("%d flows handed on", n)
	}
}

func TestToDecodeAndOrientADatagramTakesNoAllocation(t *testing.T) {
	cfg := defaults.Of[Config]()
	w := testWorker(netflow.NewTemplates(cfg.NetFlow), &cfg)
	from := netip.MustParseAddr("192.0.2.1")
	say(w, from, 0, addressesTemplate)
	n, flows := testing.AllocsPerRun(100, func() {
		w.flows = w.flows[:0]
		say(w, from, time.Second, twoFlows)
		w.pairing.Orient(w.flows)
		w.annotator.Annotate(w.flows)
		w.copies = w.alerted.Load().Copies(w.copies[:0], w.flows)
	}), len(w.flows)
	if n != 0 || flows != 2 {
		t.Errorf("%v allocations for %d flows", n, flows)
	}
}
