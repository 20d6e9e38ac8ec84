package flowfile

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
)

var update = flag.Bool("update", false, "write what is read into testdata")

// Beside each sample stands what is read of it: a line for each flow, the
// counts, the broken lines.
func TestTheSamplesAreReadAsTheyStand(t *testing.T) {
	for _, name := range samples(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := told(stdin(content))
			if *update {
				if err := os.WriteFile(name+".told", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".told")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Error(diff)
			}
			for way, r := range map[string]*Reader{
				"byte by byte":  Open([]string{"-"}, iotest.OneByteReader(bytes.NewReader(content))),
				"gzip":          stdin(gzipped(t, content)),
				"with a BOM":    stdin(append([]byte("\xef\xbb\xbf"), content...)),
				"with line end": stdin(bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))),
				"without end":   stdin(bytes.TrimRight(content, "\r\n")),
			} {
				if diff := cmp.Diff(got, told(r)); diff != "" {
					t.Errorf("%s: %s", way, diff)
				}
				checkSums(t, r.Stats())
			}
		})
	}
}

func samples(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range all {
		if ext := filepath.Ext(name); ext == ".csv" || ext == ".fmt" || ext == ".log" || ext == ".binetflow" || ext == ".json" || ext == ".jsonl" || ext == ".txt" {
			names = append(names, name)
		}
	}
	if len(names) < 9 {
		t.Fatalf("only %d samples", len(names))
	}
	return names
}

// told is all that a file says, for people to review.
func told(r *Reader) string {
	var b strings.Builder
	got, errs := flows(r)
	for _, f := range got {
		b.WriteString(flowText(f) + "\n")
	}
	l := r.Stats().Lines
	fmt.Fprintf(&b, "read %d: %d flows, %d blank, %d header, %d not IP, %d broken\n", l.Read, l.Flows, l.Blank, l.Header, l.NotIP, l.Broken)
	if l.Events > 0 {
		fmt.Fprintf(&b, "%d other events\n", l.Events)
	}
	for _, p := range r.Broken() {
		b.WriteString(strings.TrimPrefix(p.String(), "standard input: ") + "\n")
	}
	for _, err := range errs {
		b.WriteString(err.Error() + "\n")
	}
	return b.String()
}

// flowText is a flow in one line, without what is zero.
func flowText(f schema.Flow) string {
	const clock = "2006-01-02T15:04:05.999999999"
	s := fmt.Sprintf("%s +%s %s %s > %s", f.Start.Std().Format(clock), f.End.Sub(f.Start), schema.ProtoName(f.Proto), sideText(f.Src, f.Proto), sideText(f.Dst, f.Proto))
	for _, part := range []struct {
		name string
		v    any
		zero bool
	}{
		{"icmp", fmt.Sprintf("%d/%d", f.ICMPType, f.ICMPCode), f.Proto != schema.ICMP && f.Proto != schema.ICMPv6},
		{"initiator", [...]string{"", "src", "dst"}[f.Initiator], f.Initiator == 0},
		{"exporter", f.Exporter.Addr, !f.Exporter.Addr.IsValid()},
		{"tos", f.TOS, f.TOS == 0},
		{"ttl", f.TTL, f.TTL == 0},
		{"forward", f.Forward, f.Forward == 0},
		{"reason", f.EndReason, f.EndReason == 0},
		{"received", f.Received.Std().Format(clock), f.Received == f.End},
	} {
		if !part.zero {
			s += fmt.Sprintf(" %s=%v", part.name, part.v)
		}
	}
	return s
}

func sideText(s schema.Side, proto uint8) string {
	text := netip.AddrPortFrom(s.Addr, s.Port).String() + fmt.Sprintf(" %d/%d", s.Packets, s.Bytes)
	flags := ""
	for i, c := range flagLetters {
		if s.TCPFlags&(1<<i) != 0 {
			flags += string(c)
		}
	}
	if flags != "" {
		text += " " + flags
	}
	if s.AS != 0 || s.Interface != 0 || s.VLAN != 0 || s.Mask != 0 {
		text += fmt.Sprintf(" (as %d if %d vlan %d mask %d)", s.AS, s.Interface, s.VLAN, s.Mask)
	}
	return text + untoldText(s.Untold, proto)
}

// untoldText names what was not told, and could be.
func untoldText(u schema.Untold, proto uint8) string {
	if u&schema.UntoldSent == schema.UntoldSent {
		u &^= schema.UntoldSent
		return " ?sent" + untoldText(u, proto)
	}
	text := ""
	for i, name := range []string{"packets", "bytes", "flags", "port"} {
		if u&(1<<i) != 0 && (name != "flags" || proto == schema.TCP) {
			text += " ?" + name
		}
	}
	return text
}

// Files one behind the other, as cat makes them, are read as if one by one.
func TestFilesOfOneFormatMayStandBehindEachOther(t *testing.T) {
	for _, name := range samples(t) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		once, twice := stdin(content), stdin(append(content, content...))
		a, _ := flows(once)
		b, _ := flows(twice)
		la, lb := once.Stats().Lines, twice.Stats().Lines
		if len(b) != 2*len(a) || lb.Broken != 2*la.Broken || lb.Header != 2*la.Header || lb.NotIP != 2*la.NotIP {
			t.Errorf("%s: once %+v, twice %+v", name, la, lb)
		}
	}
}

func TestTimesAreReadInEveryForm(t *testing.T) {
	at := time.Date(2014, 6, 9, 23, 59, 59, 422_000_000, time.UTC)
	for text, want := range map[string]schema.Time{
		"2014-06-09 23:59:59.422":       schema.TimeOf(at),
		"2014/06/09 23:59:59.422000":    schema.TimeOf(at),
		"2014-06-09T23:59:59.422Z":      schema.TimeOf(at),
		"2014-06-10T01:59:59.422+02:00": schema.TimeOf(at),
		"2014-06-09T18:59:59.422-0500":  schema.TimeOf(at),
		"1402358399.422":                schema.TimeOf(at),
		"1402358399422":                 schema.TimeOf(at),
		"1402358399422.5":               schema.TimeOf(at.Add(500 * time.Microsecond)),
		"1402358399":                    schema.TimeOf(at.Truncate(time.Second)),
		"0.0000000014":                  1,
		"0.0000000015":                  2,
		"":                              0,
		"0000-00-00 00:00:00.000000":    0,
		"9.5e-05":                       95_000,
		"2014-06-09 23:59:60":           schema.TimeOf(at.Truncate(time.Second).Add(time.Second)),
	} {
		if got, err := parseTime([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"2014-06-09", "2014-13-09 23:59:59", "2014-02-30 23:59:59", "2014-06-09 24:00:00", "1969-06-09 23:59:59", "2300-06-09 23:59:59",
		"2014-06-09 23:59:59.422+2", "2014-06/09 23:59:59", "yesterday", "-5", "99999999999999999999", "1e300", "nan", "inf", "1.2.3", "9223372036854775807",
	} {
		if got, err := parseTime([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func TestDurationsAreReadInEveryForm(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "3.250": 3250 * time.Millisecond, "202": 202 * time.Second, "9.5e-05": 95 * time.Microsecond,
		"00:00:01.250": 1250 * time.Millisecond, "1d 02:00:00.500": 26*time.Hour + 500*time.Millisecond, "0.20696377754211426": 206_963_778,
	} {
		if got, err := parseSpan([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "x", "1d", "00:00", "00:00:zz", "1e99", "99999999d 00:00:00"} {
		if got, err := parseSpan([]byte(text)); err == nil {
			t.Errorf("%q is %s, want an error", text, got)
		}
	}
}

func TestCountsAreReadInNfdumpsShortForm(t *testing.T) {
	for text, want := range map[string]uint64{
		"": 0, "0": 0, "20736": 20736, "1.2 M": 1_200_000, "1.2M": 1_200_000, "3 G": 3_000_000_000, "1.0 T": 1_000_000_000_000, "1.5 K": 1500, "18446744073709551615": 1<<64 - 1,
	} {
		if got, err := parseCount([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "M", "1.x M", "1 P", "18446744073709551616", "99999999999999 T", "x"} {
		if got, err := parseCount([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func FuzzAddressesAreReadAsNetipReadsThem(f *testing.F) {
	for _, text := range []string{
		"198.51.100.7", "0.0.0.0", "255.255.255.255", "256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1..2.3", ".1.2.3", "1.2.3.", "1.2.3.4 ", "",
		"::", "::1", "1::", "2001:db8::7", "2001:DB8:0:0:0:0:0:7", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1::2::3", ":1", "1:", ":", ":::", "12345::", "g::", "1::2:3:4:5:6:7:8", "a:b:c::d:e",
		"fe80::1%eth0", "::ffff:198.51.100.7", "::ffff:c633:6407", "2001:db8:::7", "00:00:00:00:00:00", "x", "0:0:0:0:0:0:0:0",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, wantErr := netip.ParseAddr(text)
		got, err := parseAddr([]byte(text))
		if len(text) <= maxAddr && ((err == nil) != (wantErr == nil) || got != want.Unmap().WithZone("")) {
			t.Errorf("%q is %v, %v; netip says %v, %v", text, got, err, want, wantErr)
		}
	})
}

func TestAFlowOutsideOfTimeIsBroken(t *testing.T) {
	for name, line := range map[string]string{
		"before 1970": "5.5,2013-04-10 08:32:36,20130410083236.384271,17,UDP,172.20.2.10,239.255.255.250,29987,1900,0,0,60,133,0,175,0,1,0,0",
		"after 2262":  `{"ts":9000000000,"duration":1000000000,"id.orig_h":"198.51.100.7","id.resp_h":"203.0.113.9","proto":"udp","conn_state":"S0"}`,
	} {
		r := stdin([]byte(line))
		if _, errs := flows(r); len(errs) != 1 || r.Stats().Lines.Broken != 1 || !strings.Contains(errs[0].Error(), errOutOfTime.Error()) {
			t.Errorf("%s: %v, %+v", name, errs, r.Stats().Lines)
		}
	}
}

func TestLinesOfNfdumpAreKnownByAnAddressThatIsCutShort(t *testing.T) {
	content := "2026-11-20 12:00:04.000, 2001:db..200::1234,  40000,       2001:db8::9,     53,       56,        1,      2, UDP  , ........\n" +
		"2026-11-20 12:00:05.000,       2001:db8::7,  40000,       2001:db8::9,     53,       56,        1,      2, UDP  , ........\n"
	r := stdin([]byte(content))
	if got, errs := flows(r); len(got) != 1 || errs != nil || r.Stats().Lines.Broken != 1 {
		t.Errorf("%d flows, %v, %+v", len(got), errs, r.Stats().Lines)
	}
}

func TestProtocolsAreReadByNumberAndByEveryName(t *testing.T) {
	for text, want := range map[string]uint8{
		"6": 6, "TCP": 6, "tcp": 6, "17": 17, "UDP": 17, "rtp": 17, "1": 1, "ICMP6": 58, "ipv6-icmp": 58, "SCTP": 132, "GRE": 47, "ESP": 50, "255": 255,
		"OSPF": 89, "IGMP": 2, "unknown_transport": 0, "": 0, "EIGRP": 88, "a name that is far too long for any": 0, "vrrp": 112, "BBN-RCC-MON": 10,
	} {
		if got, err := parseProto([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for p := range 256 {
		// IANA calls 94 IPIP, and nfdump 4, which is what is really sent.
		if name := schema.ProtoName(uint8(p)); len(name) <= maxProtoName && p != 94 {
			if got, _ := parseProto([]byte(name)); got != uint8(p) {
				t.Errorf("%s is %d, want %d", name, got, p)
			}
		}
	}
	if _, err := parseProto([]byte("256")); err == nil {
		t.Error("256 is a protocol")
	}
}
