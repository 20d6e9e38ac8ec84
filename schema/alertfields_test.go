package schema_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

// sources say of each field of an alert in what it counts, and who writes it.
var sources = map[string][2]string{
	"schema_version": {"", "constant"}, "vendor": {"", "constant"}, "product": {"", "constant"},
	"time": {"RFC 3339", "event time of the detector"}, "severity_id": {"OCSF severity_id", "`severity`"}, "tactics": {"ATT&CK ids", "`mitre`"},
	"protocol": {"", "flows"}, "may_be_spoofed": {"", "flows: flags, packets, outcomes"},
	"id": {"32 hex digits", "hash of tenant, source, rule, first contact"}, "revision": {"from 1", "detector"}, "state": {"", "detector"},
	"reason": {"words", "detector"}, "kind": {"", "flows"}, "severity": {"", "flows, internal prefixes, assets file"}, "mitre": {"ATT&CK ids", "flows, internal prefixes"},
	"source": {"address", "flows"}, "source_prefix": {"bits", "flows"}, "internal": {"", "`--internal`, networks file"},
	"country": {"ISO 3166-1", "`--country-db`"}, "as": {"number", "`--as-db`"}, "as_name": {"words", "`--as-db`"},
	"destination_country": {"ISO 3166-1", "`--country-db`"}, "site": {"name", "networks file"}, "tenant": {"name", "`--tenant`"},
	"first_seen": {"RFC 3339", "flows"}, "last_seen": {"RFC 3339", "flows"},
	"rule": {"name", "rules"}, "window": {"duration", "rules"}, "threshold": {"targets", "rules"}, "confidence": {"", "flows"}, "orientation": {"", "ingest"},
	"hosts": {"addresses", "flows"}, "ports": {"ports", "flows"}, "pairs": {"targets", "flows"}, "in_window": {"addresses, ports, targets", "flows"},
	"flows": {"flows", "flows"}, "packets": {"packets", "flows"}, "packets_scaled": {"packets", "flows, sampling rates"}, "bytes": {"bytes", "flows"},
	"targets": {"addresses", "flows"}, "top_ports": {"ports, hosts each", "flows"}, "footprint": {"ports or addresses", "flows"},
	"coverage": {"addresses, /24s or /64s", "flows, internal prefixes"}, "hosts_sketch": {"HyperLogLog", "flows"}, "source_ports": {"ports", "flows"},
	"outcomes": {"flows", "flows"}, "flags": {"flows", "flows"}, "peak_flows_minute": {"flows a minute", "flows"}, "exporters": {"addresses", "flows"},
	"sampling": {"packets for one", "exporters"}, "targets_estimate": {"targets", "flows, sampling rates"}, "answered": {"address, port", "flows"},
	"assets": {"at most 16", "assets file, flows"}, "assets_count": {"assets, at most 256", "assets file, flows"}, "origin": {"Kafka offsets", "Kafka"},
}

const (
	tableBegins = "<!-- generated: go test ./schema -run TheTableOfFields -update -->\n"
	tableEnds   = "<!-- end -->\n"
)

// The table of types, units and sources in docs/alert.md is made of the types; the words above it name each field.
func TestTheTableOfFieldsIsThatOfTheTypes(t *testing.T) {
	d := newDescriber(t, "alert.go", "asset.go", "envelope.go", "footprint.go")
	alert := d.structure(reflect.TypeFor[schema.Alert]())
	properties, required := alert["properties"].(object), alert["required"].([]string)
	var table bytes.Buffer
	table.WriteString("| field | type | unit | from |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		of, known := sources[name]
		if !known {
			t.Errorf("nobody says where %s is from", name)
		}
		optional := ""
		if !slices.Contains(required, name) {
			optional = ", may be missing"
		}
		fmt.Fprintf(&table, "| `%s` | %s%s | %s | %s |\n", name, typeName(properties[name].(object)), optional, of[0], of[1])
	}
	for name := range sources {
		if properties[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
	const file = "../docs/alert.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), tableBegins)
	have, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatal("no place for the table in " + file)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+tableBegins+table.String()+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		have = table.String()
	}
	if have != table.String() {
		t.Error(file + " has another table: " + tableBegins)
	}
	for name := range properties {
		if !strings.Contains(before, "`"+name+"`") {
			t.Errorf("%s has no words in %s", name, file)
		}
	}
}

// typeName is a type of JSON Schema for a person.
func typeName(p object) string {
	if ref, is := p["$ref"].(string); is {
		return strings.ToLower(strings.TrimPrefix(ref, "#/$defs/"))
	}
	if items, is := p["items"].(object); is {
		return "list of " + typeName(items)
	}
	switch of := p["type"].(type) {
	case []string:
		return of[0]
	case string:
		return of
	}
	return "any"
}
