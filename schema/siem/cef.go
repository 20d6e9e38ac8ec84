package siem

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// cef is a line of the Common Event Format (ArcSight, revision 26 of 2024): a header of seven
// fields and pairs of names and values.
func (w *Writer) cef(b []byte, a *schema.Alert) []byte {
	b = append(b, "CEF:0"...)
	for _, field := range []string{product, product, w.Version, a.Rule, Name(a.Kind), strconv.Itoa(severityNumbers[a.Severity].cef)} {
		b = append(append(b, '|'), cefHeader.Replace(field)...)
	}
	p := pairs{b: append(b, '|')}
	p.put("rt", strconv.FormatInt(a.LastSeen.UnixMilli(), 10))
	p.put("start", strconv.FormatInt(a.FirstSeen.UnixMilli(), 10))
	p.put("end", strconv.FormatInt(a.LastSeen.UnixMilli(), 10))
	p.put("externalId", a.MessageID())
	p.put("cat", string(a.Kind))
	p.put("act", "scan-"+string(a.State))
	p.put("reason", a.Reason)
	p.put("msg", Message(a))
	cefEnds(&p, a)
	p.put("cnt", decimal(a.Flows))
	p.put("out", decimal(a.Bytes))
	if len(a.Answered) > 0 {
		p.put("outcome", "success")
	}
	p.labelled("cs", 1, "alertId", a.ID)
	p.labelled("cs", 2, "targets", strings.Join(addresses(a.Targets), " "))
	p.labelled("cs", 3, "topPorts", strings.Join(portNames(a.TopPorts), " "))
	p.labelled("cs", 4, "answered", strings.Join(endpoints(a.Answered), " "))
	p.labelled("cs", 5, "techniques", strings.Join(a.MITRE, " "))
	p.labelled("cs", 6, "site", w.site(a))
	p.labelled("cn", 1, "hosts", decimal(a.Hosts.Count))
	p.labelled("cn", 2, "ports", decimal(a.Ports.Count))
	p.labelled("cn", 3, "pairs", decimal(a.Pairs.Count))
	p.labelled("flexString", 1, "confidence", a.Confidence)
	p.labelled("flexString", 2, "country", known(a.Country))
	return p.b
}

// cefEnds says who touched whom. src, dst and dvc take IPv4; an IPv6 address has a place with a label.
func cefEnds(p *pairs, a *schema.Alert) {
	if a.Source.Is4() {
		p.put("src", a.Source.String())
	} else {
		p.labelled("c6a", 2, "Source IPv6 Address", a.Source.String())
	}
	if port := sourcePort(a); port != 0 {
		p.put("spt", strconv.Itoa(int(port)))
	}
	if host := target(a); host.Is4() {
		p.put("dst", host.String())
	} else if host.IsValid() {
		p.labelled("c6a", 3, "Destination IPv6 Address", host.String())
	}
	if port := port(a); port != 0 {
		p.put("dpt", strconv.Itoa(int(port)))
	}
	if _, name, ok := transport(a); ok {
		p.put("proto", name)
	}
	switch directionOf(a) {
	case inbound:
		p.put("deviceDirection", "0")
	case outbound:
		p.put("deviceDirection", "1")
	}
	if len(a.Exporters) > 0 {
		if e := a.Exporters[0]; e.Is4() {
			p.put("dvc", e.String())
		} else {
			p.labelled("c6a", 1, "Device IPv6 Address", e.String())
		}
	}
}

// pairs is the extension of a CEF line.
type pairs struct {
	b     []byte
	begun bool
}

// put appends name=value, unless it says nothing.
func (p *pairs) put(name, value string) {
	if value == "" {
		return
	}
	if p.begun {
		p.b = append(p.b, ' ')
	}
	p.begun = true
	p.b = append(append(append(p.b, name...), '='), cefValue.Replace(value)...)
}

// labelled puts a custom value and what it is.
func (p *pairs) labelled(name string, n int, label, value string) {
	if value != "" {
		key := fmt.Sprintf("%s%d", name, n)
		p.put(key, value)
		p.put(key+"Label", label)
	}
}

// A line is one document: a line end in the header becomes a blank, in a value it is written.
var (
	cefHeader = plain(`\`, `\\`, `|`, `\|`, "\r\n", " ", "\n", " ", "\r", " ")
	cefValue  = plain(`\`, `\\`, `=`, `\=`, "\r\n", `\n`, "\n", `\n`, "\r", `\r`)
)

// plain replaces as told, and every control character that is left by a blank: a NUL ends a line for
// some readers, and rsyslog writes it as #000.
func plain(pairs ...string) *strings.Replacer {
	for c := range byte(0x20) {
		pairs = append(pairs, string(rune(c)), " ")
	}
	return strings.NewReplacer(append(pairs, "\x7f", " ")...)
}
