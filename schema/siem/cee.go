package siem

import (
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// cee has the names of the CEE field dictionary of 2014, an object for each of its groups.
// ip_proto is the number of the protocol: UDP is 17 (the dictionary says 8, which is EGP).
func (w *Writer) cee(a *schema.Alert) document {
	d := document{
		"time": a.FirstSeen, "time_received": a.LastSeen, "time_logged": a.LastSeen,
		"duration": a.LastSeen.Sub(a.FirstSeen).Seconds(),
		"action":   "scan-" + string(a.State), "category": string(a.Kind),
		"msg": Message(a), "msgid": a.MessageID(), "vend": product,
		"packets_sent": a.Packets, "bytes_sent": a.Bytes,
	}
	d.set("reason", a.Reason)
	d.set("rule_number", a.Rule)
	if number, _, ok := transport(a); ok {
		d.set("ip_proto", number)
	}
	d.set("tcp_flags", mostFlags(a))
	if len(a.Exporters) > 0 {
		d.set("host", a.Exporters[0].String())
	}
	d.set("app.name", product)
	d.set("app.vend", product)
	d.set("app.ver", w.Version)
	d.set("app.session_id", a.ID)
	d.set("src.ipv"+version(a), a.Source.String())
	d.set("src.country", a.Country)
	d.set("src.zone", w.site(a))
	if p := sourcePort(a); p != 0 {
		d.set("src.port", p)
	}
	if host := target(a); host.IsValid() {
		d.set("dst.ipv"+version(a), host.String())
	}
	if p := port(a); p != 0 {
		d.set("dst.port", p)
	}
	n := severityNumbers[a.Severity]
	d.set("syslog.sev", syslogSeverity(n.cef))
	d.set("syslog.tag", product)
	return d
}

// mostFlags are the flags that most of the flows have.
func mostFlags(a *schema.Alert) (flags string) {
	most := uint64(0)
	for f, n := range a.Flags {
		if f != schema.OtherFlags && (n > most || n == most && f < flags) {
			flags, most = f, n
		}
	}
	return strings.TrimSpace(flags)
}

// syslogSeverity is that of RFC 5424 for a severity of CEF: critical 2, error 3, warning 4, notice 5.
func syslogSeverity(cef int) int {
	switch {
	case cef >= 10:
		return 2
	case cef >= 8:
		return 3
	case cef >= 5:
		return 4
	}
	return 5
}
