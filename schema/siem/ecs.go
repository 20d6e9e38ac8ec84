package siem

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/scanhound/scanhound/schema"
)

const ecsVersion = "9.2.0"

// ecs is a document of the Elastic Common Schema. What it has no field for is under scanhound,
// which is the whole native form.
func (w *Writer) ecs(a *schema.Alert, native document) document {
	d := document{"@timestamp": a.LastSeen, "scanhound": native}
	d.set("ecs.version", ecsVersion)
	d.set("message", Message(a))
	d.set("tags", tags(a))
	w.ecsEvent(d, a)
	ecsEnds(d, a)
	ecsThreat(d, a)
	d.set("observer.vendor", product)
	d.set("observer.product", product)
	d.set("observer.type", "ids")
	d.set("observer.version", w.Version)
	d.set("observer.ip", addresses(a.Exporters))
	d.set("observer.geo.name", w.site(a))
	return d
}

func (w *Writer) ecsEvent(d document, a *schema.Alert) {
	d.set("event.kind", "alert")
	d.set("event.category", []string{"network", "intrusion_detection"})
	d.set("event.type", []string{"info"})
	d.set("event.module", product)
	d.set("event.provider", product)
	d.set("event.dataset", product+".alert")
	d.set("event.id", a.MessageID())
	d.set("event.sequence", a.Revision)
	d.set("event.action", "scan-"+string(a.State))
	d.set("event.reason", a.Reason)
	d.set("event.severity", severityNumbers[a.Severity].ecs)
	d.set("event.start", a.FirstSeen)
	d.set("event.end", a.LastSeen)
	d.set("event.duration", a.LastSeen.Sub(a.FirstSeen).Nanoseconds())
	d.set("event.outcome", "unknown")
	if len(a.Answered) > 0 {
		d.set("event.outcome", "success")
	}
	d.set("rule.name", a.Rule)
	d.set("rule.category", string(a.Kind))
	d.set("rule.ruleset", product)
}

// tags are what one filters by.
func tags(a *schema.Alert) []string {
	all := []string{"scan", string(a.Kind)}
	if a.Spoofed {
		all = append(all, "may-be-spoofed")
	}
	for _, asset := range a.Assets {
		all = append(all, "asset:"+asset.Name)
	}
	return all
}

// ecsEnds says who touched whom.
func ecsEnds(d document, a *schema.Alert) {
	d.set("source.ip", a.Source.String())
	d.set("source.address", Source(a))
	d.set("source.packets", a.Packets)
	d.set("source.bytes", a.Bytes)
	d.set("source.geo.country_iso_code", known(a.Country))
	if a.AS != 0 {
		d.set("source.as.number", a.AS)
	}
	d.set("source.as.organization.name", a.ASName)
	d.set("destination.geo.country_iso_code", known(a.ToCountry))
	if p := sourcePort(a); p != 0 {
		d.set("source.port", p)
	}
	if host := target(a); host.IsValid() {
		d.set("destination.ip", host.String())
		d.set("destination.address", host.String())
	}
	if p := port(a); p != 0 {
		d.set("destination.port", p)
	}
	d.set("network.type", "ipv"+version(a))
	if number, name, ok := transport(a); ok {
		d.set("network.transport", name)
		d.set("network.iana_number", strconv.Itoa(int(number)))
	}
	d.set("network.packets", a.Packets)
	d.set("network.bytes", a.Bytes)
	d.set("network.direction", ecsDirections[directionOf(a)])
	related := append([]netip.Addr{a.Source}, a.Targets...)
	for _, e := range a.Answered {
		related = append(related, e.Addr)
	}
	slices.SortFunc(related, netip.Addr.Compare)
	d.set("related.ip", addresses(slices.Compact(related)))
}

var ecsDirections = map[direction]string{
	unknown: "unknown", inbound: "inbound", outbound: "outbound", lateral: "internal", external: "external",
}

// ecsThreat says what ATT&CK calls it: lists of which the same places belong together.
func ecsThreat(d document, a *schema.Alert) {
	lists := map[string][]string{}
	add := func(path, v string) {
		if v != "" && !slices.Contains(lists[path], v) {
			lists[path] = append(lists[path], v)
		}
	}
	for _, t := range techniquesOf(a) {
		add("threat.tactic.id", t.tacticID)
		add("threat.tactic.name", t.tactic)
		add("threat.tactic.reference", t.tacticReference())
		add("threat.technique.id", t.id)
		add("threat.technique.name", t.name)
		add("threat.technique.reference", t.reference())
		if t.subID != "" {
			add("threat.technique.subtechnique.id", t.subID)
			add("threat.technique.subtechnique.name", t.subName)
			add("threat.technique.subtechnique.reference", t.subReference())
		}
	}
	if len(lists) > 0 {
		d.set("threat.framework", "MITRE ATT&CK")
	}
	for path, v := range lists {
		d.set(path, v)
	}
}
