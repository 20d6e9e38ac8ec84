package flowfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scanhound/scanhound/schema"
)

// seed returns the path of a reference sample, which stand beside the corpora.
func seed(t testing.TB, name string) string {
	t.Helper()
	root := filepath.Join(filepath.Dir(corpus(t)), "..", "seeds", "samples")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no seeds: %v", err)
	}
	return filepath.Join(root, name)
}

// read reads lines that must all be in order; a file's name is one of them.
func read(t testing.TB, r *Reader) []schema.Flow {
	t.Helper()
	all, errs := flows(r)
	if errs != nil || r.Stats().Lines.Broken != 0 {
		t.Fatal(errs, r.Broken())
	}
	checkSums(t, r.Stats())
	checkFlows(t, all)
	return all
}

// AC-01, as far as reading goes: turning round what was read of the second row
// gives what is read of the expected one. Who turns it is detect.
func TestAReversedRowOfVASTIsTheExpectedOneTurnedRound(t *testing.T) {
	got, want := read(t, Open([]string{seed(t, "vast-two-rows.csv")}, nil)), read(t, Open([]string{seed(t, "vast-two-rows.expected.csv")}, nil))
	if len(got) != 2 || len(want) != 2 {
		t.Fatalf("%d and %d rows", len(got), len(want))
	}
	got[1].Swap()
	got[1].Swapped = false
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(exporter4.Addr()), cmp.AllowUnexported(schema.Side{})); diff != "" {
		t.Error(diff)
	}
	if f := want[1]; f.Src.Port != 14545 || f.Dst.Port != 80 || f.Dst.Packets != 8 || f.Dst.Bytes != 7865 || f.Src.Packets != 0 || f.Initiator != schema.InitiatorUnknown {
		t.Errorf("%s", flowText(f))
	}
}

// AC-03 and V2.
func TestPort0OfVASTIsKeptWithoutPorts(t *testing.T) {
	got := read(t, Open([]string{seed(t, "vast-port0.csv")}, nil))
	want := "2013-04-01T08:07:27.013658 +1s ICMP 172.10.0.6:0 3/222 > 172.10.2.6:0 0/0 icmp=0/0"
	if len(got) != 1 || flowText(got[0]) != want {
		t.Errorf("%d flows, %s", len(got), flowText(got[0]))
	}
}

// AC-10 and AC-12.
func TestTimeSecondsOfVASTIsTheLastPacketInMicroseconds(t *testing.T) {
	row := func(seconds, duration string) schema.Flow {
		return read(t, stdin([]byte(seconds+",2013-04-10 08:32:36,20130410083236.384271,17,UDP,172.20.2.10,239.255.255.250,29987,1900,0,0,"+duration+",133,0,175,0,1,0,0\n")))[0]
	}
	if f := row("1365581016.614145", "202"); f.Start != 1365580814614145000 || f.End != 1365581016614145000 {
		t.Errorf("from %d to %d", f.Start, f.End)
	}
	if f := row("1365582756.3842709", "0"); f.End.Std() != time.Date(2013, 4, 10, 8, 32, 36, 384271000, time.UTC) {
		t.Errorf("at %s", f.End.Std())
	}
}

// K5, AC-07, AC-08 and the seed's first post.
func TestTheLinesOfNEKAreRead(t *testing.T) {
	got := read(t, Open([]string{seed(t, "nek-all-flg.nfdump171.csv")}, nil))
	syn := read(t, Open([]string{seed(t, "nek-s.nfdump171.csv")}, nil))
	want := []string{
		"2014-06-09T23:59:59.422 +0s TCP 10.90.1.2:2299 4/192 S > 10.20.3.8:445 0/0 ?sent",
		"2014-06-09T23:59:59.422 +0s TCP 10.1.103.20:3241 432/20736 S > 10.2.112.25:445 0/0 ?sent",
		"2014-06-09T23:59:59.422 +0s TCP 10.3.4.132:45486 8/352 S > 10.55.5.12:25 0/0 ?sent",
		"2014-06-09T23:59:59.422 +0s ICMP 10.4.5.6:0 1/84 > 10.20.3.9:0 0/0 ?sent icmp=8/0",
		"2014-06-09T23:59:59.422 +0s ICMP 10.4.5.7:0 1/84 > 10.20.3.9:0 0/0 ?sent icmp=3/3",
		"2014-06-09T23:59:59.422 +0s UDP 10.4.5.8:53 1/84 > 10.20.3.9:5353 0/0 ?sent",
		"2014-06-09T23:59:59.422 +0s TCP 10.4.5.9:40000 11/8400 FSPA > 10.20.3.9:80 0/0 ?sent",
	}
	texts := func(all []schema.Flow) (s []string) {
		for _, f := range all {
			s = append(s, flowText(f))
		}
		return s
	}
	if diff := cmp.Diff(want, texts(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[:3], texts(syn)); diff != "" {
		t.Error(diff)
	}
}

func TestTheLinesOfNEKAreReadWithoutFlagsToo(t *testing.T) {
	content, err := os.ReadFile(seed(t, "nek-all-flg.nfdump171.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var short []string
	for line := range strings.Lines(string(content)) {
		short = append(short, line[:strings.LastIndexByte(line, ',')])
	}
	got := read(t, stdin([]byte(strings.Join(short, "\n"))))
	if len(got) != 7 || got[6].Src.TCPFlags != 0 || got[6].Src.Packets != 11 {
		t.Errorf("%d flows", len(got))
	}
}

// The same file by nfdump itself, in each form that is read.
func TestNfdumpPrintsTheSeedInFormsThatAreRead(t *testing.T) {
	if _, err := exec.LookPath("nfdump"); err != nil {
		t.Skip("nfdump is not installed")
	}
	for name, args := range map[string][]string{
		"csv":        {"-o", "csv"},
		"csv, quiet": {"-q", "-o", "csv"},
		"fmt":        {"-o", "fmt:%ts, %sa, %sp, %da, %dp, %byt, %pkt, %out, %pr, %flg"},
		"fmt, plain": {"-N", "-q", "-o", "fmt:%ts, %sa, %sp, %da, %dp, %byt, %pkt, %out, %pr, %flg"},
		"no flags":   {"-6", "-o", "fmt:%ts, %sa, %sp, %da, %dp, %byt, %pkt, %out, %pr"},
	} {
		got := read(t, stdin(nfdump(t, seed(t, "nek-mini.nfcapd"), args...)))
		if len(got) != 7 || got[1].Src.Packets != 432 || got[4].ICMPType != 3 || got[4].ICMPCode != 3 || got[3].ICMPType != 8 {
			t.Errorf("%s: %d flows, %+v", name, len(got), got)
		}
	}
}

func nfdump(t testing.TB, file string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("nfdump", append([]string{"-r", file}, args...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// AC-08: these eight verdicts are nfdump's.
func TestFlagsAreReadInEveryForm(t *testing.T) {
	const only = schema.SYN
	for text, want := range map[string]uint16{
		"....S.": only, "......S.": only, "0x02": only, "2": only, "C.....S.": 0x82, "CE....S.": 0xc2, "0xc2": 0xc2, "...A..S.": 0x12,
		"...AP.SF": 0x1b, ".AP.SF": 0x1b, "27": 0x1b, "..UAPRSF": 0x3f, "XXXXXX": 0x3f, "........": 0, "......": 0, "": 0, ".....R..": 4, "...A.R..": 0x14,
	} {
		if got, err := parseFlags([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %#x, %v, want %#x", text, got, err, want)
		}
	}
	for _, text := range []string{"S1", "-", "0xfffff", "70000", "syn"} {
		if got, err := parseFlags([]byte(text)); err == nil {
			t.Errorf("%q is %#x, want an error", text, got)
		}
	}
}

// AC-07 and F12.
func TestICMPIsReadInBothForms(t *testing.T) {
	for text, want := range map[string][2]uint8{"771": {3, 3}, "2048": {8, 0}, "3.3": {3, 3}, "8.0": {8, 0}, "0": {}, "": {}, "0.8": {0, 8}, "65535": {255, 255}} {
		if kind, code, err := parseICMP([]byte(text)); err != nil || kind != want[0] || code != want[1] {
			t.Errorf("%q is %d/%d, %v", text, kind, code, err)
		}
	}
	for _, text := range []string{"65536", "256.0", "3.256", "a.b", "x"} {
		if _, _, err := parseICMP([]byte(text)); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}
