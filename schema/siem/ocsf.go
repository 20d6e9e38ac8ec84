package siem

import (
	"cmp"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

const (
	ocsfVersion  = "1.6.0"
	ocsfClass    = 2004 // Detection Finding
	ocsfCategory = 2    // Findings
)

// ocsfActivities are what happens to a finding, by the state of the alert.
var ocsfActivities = map[schema.State]struct {
	id         int
	name       string
	status     int
	statusName string
}{
	schema.Open:   {1, "Create", 1, "New"},
	schema.Update: {2, "Update", 2, "In Progress"},
	schema.Close:  {3, "Close", 99, "Ended"}, // by itself: nobody has resolved it
}

var confidenceIDs = map[string]int{"low": 1, "medium": 2, "high": 3}

// ocsf is a Detection Finding. What it has no attribute for is unmapped.
func (w *Writer) ocsf(a *schema.Alert, native document) document {
	act := ocsfActivities[a.State]
	d := document{
		"class_uid": ocsfClass, "class_name": "Detection Finding",
		"category_uid": ocsfCategory, "category_name": "Findings",
		"activity_id": act.id, "activity_name": act.name,
		"type_uid": ocsfClass*100 + act.id, "type_name": "Detection Finding: " + act.name,
		"status_id": act.status, "status": act.statusName,
		"time": a.LastSeen.UnixMilli(), "start_time": a.FirstSeen.UnixMilli(), "end_time": a.LastSeen.UnixMilli(),
		"duration":    a.LastSeen.Sub(a.FirstSeen).Milliseconds(),
		"severity_id": severityNumbers[a.Severity].ocsf, "severity": title(string(a.Severity)),
		"is_alert": true, "message": Message(a),
		"metadata": w.ocsfMetadata(a), "finding_info": ocsfFinding(a),
		"evidences": ocsfEvidences(a), "observables": ocsfObservables(a), "unmapped": native,
	}
	if a.Flows <= 1<<31-1 {
		d["count"] = a.Flows
	}
	if id := confidenceIDs[a.Confidence]; id != 0 {
		d["confidence_id"], d["confidence"] = id, title(a.Confidence)
	}
	return d
}

func (w *Writer) ocsfMetadata(a *schema.Alert) document {
	d := document{
		"version": ocsfVersion, "uid": a.MessageID(), "correlation_uid": a.ID, "sequence": a.Revision,
		"log_name": schema.AlertsTopic, "event_code": a.Rule,
		"product": document{"name": product, "vendor_name": product, "version": w.Version},
	}
	d.set("tenant_uid", cmp.Or(a.Tenant, w.site(a)))
	d.set("labels", tags(a))
	return d
}

func ocsfFinding(a *schema.Alert) document {
	d := document{
		"uid": a.ID, "title": Name(a.Kind) + " by " + Source(a), "desc": Message(a),
		"created_time": a.FirstSeen.UnixMilli(), "modified_time": a.LastSeen.UnixMilli(),
		"first_seen_time": a.FirstSeen.UnixMilli(), "last_seen_time": a.LastSeen.UnixMilli(),
		"analytic": document{"name": a.Rule, "uid": a.Rule, "type_id": 1, "type": "Rule"},
	}
	d.set("types", []string{string(a.Kind)})
	d.set("data_sources", addresses(a.Exporters))
	var attacks []document
	for _, t := range techniquesOf(a) {
		at := document{
			"version": attackVersion, "tactic": document{"uid": t.tacticID, "name": t.tactic, "src_url": t.tacticReference()},
			"technique": document{"uid": t.id, "name": t.name, "src_url": t.reference()},
		}
		if t.subID != "" {
			at["sub_technique"] = document{"uid": t.subID, "name": t.subName, "src_url": t.subReference()}
		}
		attacks = append(attacks, at)
	}
	if len(attacks) > 0 {
		d["attacks"] = attacks
	}
	return d
}

// ocsfEvidences are one for each target that got known: those that let the scanner in first.
func ocsfEvidences(a *schema.Alert) (all []document) {
	source := document{"ip": a.Source.String()}
	if p := sourcePort(a); p != 0 {
		source["port"] = p
	}
	if a.AS != 0 {
		source["autonomous_system"] = document{"number": a.AS}
		if a.ASName != "" {
			source["autonomous_system"] = document{"number": a.AS, "name": a.ASName}
		}
	}
	if c := known(a.Country); c != "" {
		source["location"] = document{"country": c}
	}
	listed := map[netip.Addr]bool{}
	for _, e := range a.Answered {
		number, _ := schema.ParseProto(e.Proto)
		listed[e.Addr] = true
		all = append(all, document{
			"name": "got in", "src_endpoint": source, "connection_info": ocsfConnection(a, number, true),
			"dst_endpoint": document{"ip": e.Addr.String(), "port": e.Port},
		})
	}
	number, _, known := transport(a)
	for _, host := range a.Targets {
		if listed[host] {
			continue
		}
		to := document{"ip": host.String()}
		if p := port(a); p != 0 {
			to["port"] = p
		}
		all = append(all, document{
			"name": "probed", "src_endpoint": source, "dst_endpoint": to, "connection_info": ocsfConnection(a, number, known),
		})
	}
	if len(all) == 0 {
		all = append(all, document{"src_endpoint": source, "connection_info": ocsfConnection(a, number, known)})
	}
	return all
}

var ocsfDirections = map[direction]struct {
	id   int
	name string
}{
	unknown: {0, "Unknown"}, inbound: {1, "Inbound"}, outbound: {2, "Outbound"}, lateral: {3, "Lateral"}, external: {99, "External"},
}

func ocsfConnection(a *schema.Alert, protocol uint8, known bool) document {
	way := ocsfDirections[directionOf(a)]
	d := document{"direction_id": way.id, "direction": way.name, "protocol_ver_id": 4, "protocol_ver": "4"}
	if a.Source.Is6() {
		d["protocol_ver_id"], d["protocol_ver"] = 6, "6"
	}
	if known {
		d["protocol_num"], d["protocol_name"] = protocol, schema.ProtoName(protocol)
	}
	return d
}

// ocsfObservables are what one pivots on: type 2 is an IP address.
func ocsfObservables(a *schema.Alert) []document {
	all := []document{{"name": "evidences[].src_endpoint.ip", "type_id": 2, "type": "IP Address", "value": a.Source.String()}}
	for _, host := range a.Targets {
		all = append(all, document{"name": "evidences[].dst_endpoint.ip", "type_id": 2, "type": "IP Address", "value": host.String()})
	}
	return all
}
