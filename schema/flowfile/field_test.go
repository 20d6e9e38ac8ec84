package flowfile

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

// What people have in the field, as files: how many flows there are in them, all of
// the same scan of tcp/22.
func TestFlowFilesFromTheFieldAreRead(t *testing.T) {
	for name, want := range map[string]int{
		"nfdump-array.json":            60,
		"nfdump-lines.ndjson":          60,
		"suricata-eve-flow.jsonl":      60,
		"argus-ra-default-columns.csv": 60,
	} {
		r := Open([]string{field(t, name)}, nil)
		got, errs := flows(r)
		if len(got) != want || errs != nil || r.Stats().Lines.Broken != 0 {
			t.Errorf("%s: %d flows, %v, %+v", name, len(got), errs, r.Stats().Lines)
		}
		for _, f := range got {
			if f.Src.Addr.String() != "198.51.100.7" || f.Dst.Port != 22 || f.Src.TCPFlags != schema.SYN || f.Src.Packets != 1 || f.Start == 0 {
				t.Fatalf("%s: %s", name, flowText(f))
			}
		}
		checkSums(t, r.Stats())
	}
}

func TestObjectsAreReadHoweverTheyStandOnLines(t *testing.T) {
	one, two := strings.TrimSpace(line(1)), strings.TrimSpace(line(2))
	pretty := func(s string) string {
		return strings.NewReplacer(`,"`, ",\n  \"", "{", "{\n  ", "}", "\n}").Replace(s)
	}
	for name, content := range map[string]string{
		"lines":                   one + "\n" + two,
		"lines with commas":       "[" + one + ",\n" + two + "\n]\n",
		"commas in front":         "[\n " + one + "\n," + two + "]",
		"an array on one line":    "[" + one + "," + two + "]",
		"a pretty array":          "[\n" + pretty(one) + ",\n" + pretty(two) + "\n]\n",
		"pretty, no array":        pretty(one) + "\n" + pretty(two) + "\n",
		"two arrays":              "[" + one + "]\n[" + two + "]\n",
		"behind blank lines":      "\n\n  [\n\n" + one + ",\n\n" + two + "]",
		"with a BOM and CR":       "\xef\xbb\xbf[\r\n" + strings.ReplaceAll(pretty(one), "\n", "\r\n") + ",\r\n" + two + "\r\n]\r\n",
		"objects behind another":  one + two,
		"an array of other tools": `[{"SrcAddr":"198.51.100.7","DstAddr":"203.0.113.9","Proto":6,"SrcPort":1,"DstPort":2,"SequenceNum":1},` + two + "]",
	} {
		r := stdin([]byte(content))
		got, errs := flows(r)
		if name == "objects behind another" { // a line is a unit, and this one is broken
			if len(got) != 0 || len(errs) != 1 {
				t.Errorf("%s: %d flows, %v", name, len(got), errs)
			}
			continue
		}
		if len(got) != 2 || errs != nil || got[0].Exporter.Sequence != 1 || got[1].Exporter.Sequence != 2 {
			t.Errorf("%s: %d flows, %v, %v", name, len(got), errs, r.Broken())
		}
		checkSums(t, r.Stats())
	}
}

func TestABrokenObjectCostsOnlyItself(t *testing.T) {
	one, two := strings.TrimSpace(line(1)), strings.TrimSpace(line(2))
	for name, content := range map[string]string{
		"not closed":      "[\n" + one + ",\n{\"src_addr\":\"198.51.100.7\",\n" + two + "\n]",
		"a number":        "[\n" + one + ",\n17,\n" + two + "\n]",
		"a word":          "[\n" + one + ",\nnull,\n" + two + "\n]",
		"far too long":    "[\n" + one + ",\n{\"x\":\"" + strings.Repeat("x", 3*bufferSize) + "\"},\n" + two + "\n]",
		"without address": "[\n" + one + ",\n{\"dst_port\":22},\n" + two + "\n]",
	} {
		r := stdin([]byte(content))
		got, errs := flows(r)
		if l := r.Stats().Lines; len(got) != 2 || errs != nil || l.Broken != 1 || r.Broken()[0].Number != 3 {
			t.Errorf("%s: %d flows, %v, %+v, %v", name, len(got), errs, l, r.Broken())
		}
		checkSums(t, r.Stats())
	}
}

func TestNfdumpsTextWithoutAHeaderIsReadByTheFormatThatIsTold(t *testing.T) {
	const content = "    198.51.100.7;     203.0.113.9; 40000;    22;TCP  ;2026-11-20 12:00:00.250;......S.\n"
	r := stdin([]byte(content))
	if _, errs := flows(r); len(errs) != 1 || !strings.Contains(errs[0].Error(), "tell the --format") {
		t.Errorf("without a format: %v", errs)
	}
	r = stdin([]byte(content))
	if err := r.Format("fmt:%sa;%da;%sp;%dp;%pr;%ts;%flg"); err != nil {
		t.Fatal(err)
	}
	got, errs := flows(r)
	if len(got) != 1 || errs != nil || got[0].Dst.Port != 22 || got[0].Src.TCPFlags != schema.SYN {
		t.Errorf("%d flows, %v", len(got), errs)
	}
	r = stdin([]byte("2026-11-20 12:00:00.250     00:00:00.000 TCP       198.51.100.7:40000 ->      203.0.113.9:22           1       60     1\n"))
	if err := r.Format("line"); err != nil {
		t.Fatal(err)
	}
	if got, errs := flows(r); len(got) != 1 || errs != nil || got[0].Src.Bytes != 60 {
		t.Errorf("line: %d flows, %v", len(got), errs)
	}
	for _, words := range []string{"csv", "fmt:", "fmt:%sa %da", "%ts %sa"} {
		if err := stdin(nil).Format(words); err == nil {
			t.Errorf("%q is taken as a format", words)
		}
	}
}

func TestBzip2IsSeenThrough(t *testing.T) {
	packed, err := base64.StdEncoding.DecodeString("QlpoOTFBWSZTWeYf3nIAAHffgAAQEAV68AgARACsANwKIABwU0aANAAA3qqmYoaGJoZHqXZNHhnHEbvzFkku7JNWjRs5MWrBR5bKRi5xkqsorGbkwWke3tg4aRvGziPsWir8qsorF1W6ikWVii7y/i7kinChIcw/vOQ=")
	if err != nil {
		t.Fatal(err)
	}
	if got, errs := flows(stdin(packed)); len(got) != 3 || errs != nil || got[2].Dst.Port != 22 {
		t.Errorf("%d flows, %v", len(got), errs)
	}
	if got, errs := flows(stdin(packed[:len(packed)-20])); len(got) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "the bzip2 data ends early") {
		t.Errorf("cut: %d flows, %v", len(got), errs)
	}
}
