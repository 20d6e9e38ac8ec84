package flowfile

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

// Whatever stands in the lines, no reader panics, what comes out is a flow, the
// counts add up, and twice the same is the same. The reader is called by
// itself, so that no first line turns the others away.
func fuzzLines(f *testing.F, flows func(*Reader, *input, func([]schema.Flow) bool) error, check func(testing.TB, []schema.Flow), patterns ...string) {
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(names) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".told") {
				continue
			}
			content, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
			for line := range bytes.Lines(content) {
				f.Add(line)
			}
		}
	}
	readAll := func(t *testing.T, content []byte) (all []schema.Flow, s Stats) {
		in, err := open("-", bytes.NewReader(content))
		if err != nil {
			t.Skip()
		}
		defer in.close()
		var r Reader
		flows(&r, in, func(batch []schema.Flow) bool {
			if len(batch) == 0 {
				t.Fatal("an empty batch")
			}
			all = append(all, batch...)
			return true
		})
		return all, r.Stats()
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if bytes.HasPrefix(content, []byte{0x1f, 0x8b}) || bytes.HasPrefix(content, []byte("BZh")) || isZstd(content) {
			t.Skip()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		all, s := readAll(t, content)
		runtime.ReadMemStats(&after)
		// A flow is 300 bytes and may stand in 20; slices grow by doubling.
		if took, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+200*len(content)); took > limit {
			t.Errorf("%d bytes of input took %d of memory", len(content), took)
		}
		checkSums(t, s)
		check(t, all)
		if uint64(len(all)) != s.Lines.Flows {
			t.Errorf("%d flows, %+v", len(all), s)
		}
		if again, _ := readAll(t, content); !slices.Equal(all, again) {
			t.Error("twice the same is not the same")
		}
	})
}

func FuzzNfdumpCSV(f *testing.F)   { fuzzLines(f, readNfdump, checkFlows, "nfdump*.csv") }
func FuzzNfdumpLines(f *testing.F) { fuzzLines(f, readNfdumpFmt, checkFlows, "nfdump.fmt", "*.txt") }
func FuzzVAST(f *testing.F)        { fuzzLines(f, readVAST, checkFlows, "vast*.csv") }
func FuzzZeek(f *testing.F)        { fuzzLines(f, readZeek, checkFlows, "conn.log") }
func FuzzJSON(f *testing.F) {
	fuzzLines(f, readJSON, checkAddresses, "connjson.log", "*.json", "*.jsonl")
}
func FuzzPipe(f *testing.F) { fuzzLines(f, readPipe, checkFlows, "nfdumppipe.txt") }

func FuzzPmacctCSV(f *testing.F) { fuzzLines(f, readPmacctCSV, checkFlows, "pmacct.csv") }

func FuzzArgus(f *testing.F) { fuzzLines(f, readArgus, checkFlows, "argus.binetflow") }

// A line, over and over, in each format; the readers allocate nothing for it.
func BenchmarkLines(b *testing.B) {
	const header17 = nfdumpQuiet
	for _, c := range []struct{ name, head, line string }{
		{"nfdump", header17, "2026-11-20 12:00:00,2026-11-20 12:00:03,3.250,198.51.100.7,203.0.113.9,40000,22,TCP,......S.,0,0,3,180,0,0,0,0,0,0,0,0,0,0,0.0.0.0,0.0.0.0,0,0,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,    0.000,    0.000,    0.000,127.0.0.1,0/0,1,2026-11-20 12:00:31.013"},
		{"nfdump-IPv6", header17, "2026-11-20 12:00:00,2026-11-20 12:00:03,3.250,2001:db8::7,2001:db8::9,40000,22,TCP,......S.,0,0,3,180,0,0,0,0,0,0,0,0,0,0,0.0.0.0,0.0.0.0,0,0,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,    0.000,    0.000,    0.000,127.0.0.1,0/0,1,2026-11-20 12:00:31.013"},
		{"fmt", "", "2026-11-20 12:00:00.250,     198.51.100.7,  40000,      203.0.113.9,     22,      180,        3,      2, TCP  , ......S."},
		{"VAST", vastColumns, "1365582756.3842709,2013-04-10 08:32:36,20130410083236.384271,17,UDP,172.20.2.10,239.255.255.250,29987,1900,0,0,0,133,0,175,0,1,0,0"},
		{"Zeek", "#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents", "1713484795.943239\tCYl7H53iN6mY9NyXJ8\t198.51.100.7\t25320\t203.0.113.9\t6008\ttcp\t-\t0.000064\t0\t0\tREJ\tF\tT\t0\tSr\t1\t60\t1\t40\t-"},
		{"ZeekJSON", "", `{"ts":1700828217.314165,"uid":"CfykLO1IT1nVRJhLA3","id.orig_h":"198.51.100.7","id.orig_p":50820,"id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","duration":0.20696377754211426,"orig_bytes":0,"resp_bytes":0,"conn_state":"REJ","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"Sr","orig_pkts":1,"orig_ip_bytes":60,"resp_pkts":1,"resp_ip_bytes":40}`},
		{"Argus", "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,SrcPkts,Label", "2018/12/18 14:00:00.527012,0.699716,tcp,198.51.100.7,52798,   ->,203.0.113.9,445,S_RA,0,0,2,134,70,1,flow=Malware"},
	} {
		b.Run(c.name, func(b *testing.B) {
			benchmark(b, []byte(strings.TrimPrefix(c.head+"\n", "\n")+strings.Repeat(c.line+"\n", 2000)), 2000)
		})
	}
}
