package siem

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/schema"
)

// Digest is many scans in one document: those of a time that are told together.
type Digest struct {
	Schema  uint8     `json:"schema_version"`
	Vendor  string    `json:"vendor"`
	Product string    `json:"product"`
	ID      string    `json:"id"`
	State   string    `json:"state"` // always digest
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`

	Scans    uint64         `json:"scans"`             // alerts
	More     uint64         `json:"more,omitempty"`    // revisions beyond them, of alerts that were not told apart any more
	Sources  int            `json:"sources"`           // distinct
	Kinds    map[string]int `json:"kinds"`             // scans, by shape
	TopPorts []DigestPort   `json:"top_ports"`         // most scans first, at most 10
	Top      []DigestScan   `json:"top_scans"`         // most targets first, at most 10
	Site     string         `json:"site,omitempty"`    // of who tells
	Message  string         `json:"message,omitempty"` // the same in a sentence
}

// DigestPort is a port, and how many scans had it among their first.
type DigestPort struct {
	Port  uint16 `json:"port"`
	Proto string `json:"proto"`
	Scans int    `json:"scans"`
}

// DigestScan is one of the scans.
type DigestScan struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Pairs  uint64 `json:"pairs"`
}

// Sentence says a digest to a person.
func (d *Digest) Sentence() string {
	s := fmt.Sprintf("%d scans of low severity by %d sources from outside, %s to %s", d.Scans, d.Sources,
		d.From.UTC().Format("2006-01-02 15:04"), d.Until.UTC().Format("15:04"))
	var ports []string
	for _, p := range first(d.TopPorts, 3) {
		ports = append(ports, fmt.Sprintf("%s/%d", strings.ToLower(p.Proto), p.Port))
	}
	if len(ports) > 0 {
		s += "; mostly " + strings.Join(ports, ", ")
	}
	if len(d.Top) > 0 {
		s += fmt.Sprintf("; the largest by %s, %d targets", d.Top[0].Source, d.Top[0].Pairs)
	}
	return s
}

// HasDigest reports whether a digest can be said in a form: a finding of OCSF is one finding.
func (f Format) HasDigest() bool { return f != OCSF }

// AppendDigest appends the document of a digest, without a line end.
func (w *Writer) AppendDigest(b []byte, d Digest) ([]byte, error) {
	d.Schema, d.Vendor, d.Product, d.State, d.Site = schema.AlertVersion, product, product, "digest", w.Site
	d.Message = d.Sentence()
	if w.Format == CEF {
		return w.cefDigest(b, &d), nil
	}
	var doc any = d
	switch w.Format {
	case ECS:
		doc = w.ecsDigest(&d)
	case CEE:
		c := document{"time": d.From, "time_received": d.Until, "time_logged": d.Until, "action": "scan-digest", "msg": d.Message, "msgid": d.ID, "vend": product}
		c.set("app.name", product)
		c.set("app.vend", product)
		c.set("app.ver", w.Version)
		c.set("src.zone", d.Site)
		c.set("syslog.sev", syslogSeverity(severityNumbers[schema.Low].cef))
		c.set("syslog.tag", product)
		doc = c
	case OCSF:
		return b, fmt.Errorf("a digest as %s: it has no form", w.Format)
	}
	return json.Append(b, doc, json.SortMapKeys)
}

// ecsDigest is an event, and no alert: nobody is asked to look at it.
func (w *Writer) ecsDigest(d *Digest) document {
	e := document{"@timestamp": d.Until, "scanhound": document{"digest": d}}
	e.set("ecs.version", ecsVersion)
	e.set("message", d.Message)
	e.set("tags", []string{"scan", "digest"})
	e.set("event.kind", "event")
	e.set("event.category", []string{"network", "intrusion_detection"})
	e.set("event.type", []string{"info"})
	e.set("event.module", product)
	e.set("event.provider", product)
	e.set("event.dataset", product+".digest")
	e.set("event.id", d.ID)
	e.set("event.action", "scan-digest")
	e.set("event.severity", severityNumbers[schema.Low].ecs)
	e.set("event.start", d.From)
	e.set("event.end", d.Until)
	e.set("event.duration", d.Until.Sub(d.From).Nanoseconds())
	e.set("observer.vendor", product)
	e.set("observer.product", product)
	e.set("observer.type", "ids")
	e.set("observer.version", w.Version)
	e.set("observer.geo.name", d.Site)
	return e
}

func (w *Writer) cefDigest(b []byte, d *Digest) []byte {
	b = append(b, "CEF:0"...)
	for _, field := range []string{product, product, w.Version, "digest", "Scan digest", strconv.Itoa(severityNumbers[schema.Low].cef)} {
		b = append(append(b, '|'), cefHeader.Replace(field)...)
	}
	p := pairs{b: append(b, '|')}
	p.put("rt", strconv.FormatInt(d.Until.UnixMilli(), 10))
	p.put("start", strconv.FormatInt(d.From.UnixMilli(), 10))
	p.put("end", strconv.FormatInt(d.Until.UnixMilli(), 10))
	p.put("externalId", d.ID)
	p.put("act", "scan-digest")
	p.put("msg", d.Message)
	p.put("cnt", decimal(d.Scans))
	p.labelled("cs", 6, "site", d.Site)
	p.labelled("cn", 1, "sources", strconv.Itoa(d.Sources))
	return p.b
}
