package schema_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

var update = flag.Bool("update", false, "write the generated documents anew")

// object is a JSON object.
type object = map[string]any

// describer makes JSON Schema (draft 2020-12) of Go's types and of the comments in their source.
type describer struct {
	comments map[string]string // of Type.Field
	defs     object
}

func newDescriber(t *testing.T, files ...string) *describer {
	t.Helper()
	d := &describer{map[string]string{}, object{}}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.TypeSpec)
			if !is {
				return true
			}
			s, is := spec.Type.(*ast.StructType)
			if !is {
				return true
			}
			for _, f := range s.Fields.List {
				for _, field := range f.Names {
					d.comments[spec.Name.Name+"."+field.Name] = strings.TrimSpace(f.Comment.Text())
				}
			}
			return true
		})
	}
	return d
}

// words are the values of the types that have few.
var words = map[reflect.Type][]string{
	reflect.TypeFor[schema.State]():    {"open", "update", "close"},
	reflect.TypeFor[schema.Kind]():     {"vertical", "horizontal", "block", "mixed", "sweep", "protocols"},
	reflect.TypeFor[schema.Severity](): {"low", "medium", "high", "critical"},
}

func (d *describer) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[netip.Addr]():
		return object{"type": "string", "anyOf": []object{{"format": "ipv4"}, {"format": "ipv6"}}}
	case reflect.TypeFor[netip.Prefix]():
		return object{"type": "string", "pattern": "^[0-9a-f.:]+/[0-9]{1,3}$"}
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[schema.Duration]():
		return object{"type": "string", "pattern": "^([0-9.]+(h|m|s|ms|µs|ns))+$"}
	case reflect.TypeFor[[]byte](), reflect.TypeFor[schema.Bitmap]():
		return object{"type": "string", "contentEncoding": "base64"}
	case reflect.TypeFor[schema.Ranges]():
		return object{"type": "string", "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"}
	}
	if list, is := words[t]; is {
		return object{"type": "string", "enum": list}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return object{"type": []string{"array", "null"}, "items": d.of(t.Elem())}
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": d.of(t.Elem())}
	case reflect.Struct:
		if d.defs[t.Name()] == nil {
			d.defs[t.Name()] = object{} // it is on its way
			d.defs[t.Name()] = d.structure(t)
		}
		return object{"$ref": "#/$defs/" + t.Name()}
	}
	panic("a type of which nobody knows the JSON: " + t.String())
}

func (d *describer) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, tagged := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && !tagged && name == "" {
				add(f.Type)
				continue
			}
			p := d.of(f.Type)
			if text := d.comments[t.Name()+"."+f.Name]; text != "" {
				p["description"] = text
			}
			if properties[name] = p; options != "omitempty" {
				required = append(required, name)
			}
		}
	}
	add(t)
	return object{"type": "object", "properties": properties, "required": required}
}

// written compares a document with the file, which -update writes.
func written(t *testing.T, name string, document object) {
	t.Helper()
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(document); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(name); err != nil || !bytes.Equal(have, text.Bytes()) {
		t.Errorf("%s is not what the types say (%v): go test ./schema -run TheFormOfAnAlert -update", name, err)
	}
}

func TestTheFormOfAnAlertIsPublished(t *testing.T) {
	d := newDescriber(t, "alert.go", "asset.go", "envelope.go", "footprint.go")
	alert := d.structure(reflect.TypeFor[schema.Alert]())
	alert["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	alert["$id"] = "https://github.com/scanhound/scanhound/docs/alert.schema.json"
	alert["title"] = "A revision of a scan alert"
	alert["description"] = "One revision says everything; the highest counts. A newer release may add fields, which an older reader skips."
	alert["$defs"] = d.defs
	for name := range d.defs {
		if len(d.defs[name].(object)) == 0 {
			t.Errorf("%s has no form", name)
		}
	}
	written(t, "../docs/alert.schema.json", alert)
	written(t, "../docs/alert.asyncapi.json", asyncapi())
}

// asyncapi says where alerts come: https://www.asyncapi.com/docs/reference/specification/v3.0.0
func asyncapi() object {
	header := func(text string) object { return object{"type": "string", "description": text} }
	alert := object{
		"name": "alert", "title": "A revision of a scan alert", "contentType": "application/json",
		"headers": object{"type": "object", "properties": object{"Nats-Msg-Id": header("id.revision; .high or .critical behind it on a copy")}},
		"payload": object{"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": object{"$ref": "./alert.schema.json"}},
	}
	parameters := object{
		"site":  object{"description": "the alerter's --site, or default"},
		"shard": object{"description": "first digit of the id"},
		"id":    object{"description": "of the alert: 32 hex digits"},
	}
	channels, operations := object{}, object{}
	for name, about := range map[string]string{
		"scan": "every revision, once; stream " + schema.AlertStream, "high": "copies of what is high or critical; stream " + schema.SevereStream(schema.AlertStream),
		"critical": "copies of what is critical; stream " + schema.SevereStream(schema.AlertStream),
	} {
		channels[name] = object{
			"address": "alerts." + name + ".{site}.{shard}.{id}", "description": about, "parameters": parameters,
			"messages": object{"alert": object{"$ref": "#/components/messages/alert"}},
		}
		operations["receive-"+name] = object{"action": "receive", "channel": object{"$ref": "#/channels/" + name}}
	}
	return object{
		"asyncapi": "3.0.0",
		"info":     object{"title": "Alerts of scanhound", "version": "1.0.0", "description": "Scan alerts on NATS JetStream. docs/alert.md says what they mean."},
		"channels": channels, "operations": operations,
		"components": object{"messages": object{"alert": alert}},
	}
}
