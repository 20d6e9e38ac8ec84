package detect_test

import (
	"bufio"
	"bytes"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// readIptables reads log lines of iptables and ip6tables: each is one packet, and
// here one flow, as an exporter sees it that does not know that it was dropped.
func readIptables(t *testing.T, names ...string) (batches [][]schema.Flow) {
	t.Helper()
	name := names[0]
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		batches = append(batches, []schema.Flow{iptablesFlow(t, lines.Text())})
	}
	return batches
}

var iptablesFlags = map[string]uint16{
	"FIN": schema.FIN, "SYN": schema.SYN, "RST": schema.RST, "PSH": schema.PSH,
	"ACK": schema.ACK, "URG": schema.URG, "ECE": schema.ECE, "CWR": schema.CWR,
}

func iptablesFlow(t *testing.T, line string) schema.Flow {
	t.Helper()
	f := schema.Flow{Exporter: schema.Exporter{Addr: exporter}}
	f.Start = iptablesTime(t, line)
	f.End, f.Received = f.Start, f.Start
	f.Src.Packets = 1
	_, fields, ok := strings.Cut(line, " SRC=")
	if !ok {
		t.Fatalf("not a line of iptables: %s", line)
	}
	fields, _, _ = strings.Cut(fields, " [") // the packet that an ICMP error is about
	number := func(v string) uint16 {
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		return uint16(n)
	}
	for _, field := range strings.Fields("SRC=" + fields) {
		switch k, v, _ := strings.Cut(field, "="); k {
		case "SRC":
			f.Src.Addr = netip.MustParseAddr(v)
		case "DST":
			f.Dst.Addr = netip.MustParseAddr(v)
		case "LEN":
			if f.Src.Bytes == 0 { // the second is UDP's own
				f.Src.Bytes = uint64(number(v))
			}
		case "PROTO":
			f.Proto = iptablesProto(v)
			if f.Proto == 0 {
				f.Proto = uint8(number(v))
			}
		case "SPT":
			f.Src.Port = number(v)
		case "DPT":
			f.Dst.Port = number(v)
		case "TYPE":
			f.ICMPType = uint8(number(v))
		case "CODE":
			f.ICMPCode = uint8(number(v))
		default:
			f.Src.TCPFlags |= iptablesFlags[field]
		}
	}
	return f
}

func iptablesProto(name string) uint8 {
	return map[string]uint8{
		"TCP": schema.TCP, "UDP": schema.UDP, "ICMP": schema.ICMP, "ICMPv6": schema.ICMPv6,
		"UDPLITE": schema.UDPLite, "SCTP": schema.SCTP, "ESP": 50, "AH": 51,
	}[name]
}

// iptablesTime reads the time of syslog, which knows no year in its older form:
// any leap year will do.
func iptablesTime(t *testing.T, line string) schema.Time {
	t.Helper()
	_, rest, prefixed := strings.Cut(line, "scan:") // a grep's file name
	if !prefixed {
		rest = line
	}
	first, _, _ := strings.Cut(rest, " ")
	at, err := time.Parse(time.RFC3339Nano, first)
	if err != nil {
		at, err = time.Parse("2006 Jan _2 15:04:05", "2012 "+rest[:min(len(rest), len("Jan _2 15:04:05"))])
	}
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return schema.TimeOf(at)
}
