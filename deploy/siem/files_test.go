// What has no program here to read it is held to what it is made of, and to the fields that alerts have.
package siem_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// flat puts the leaves of an object, with their paths, into all. Lists are leaves.
func flat(all map[string]any, at string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		all[at] = v
		return
	}
	for k, v := range m {
		flat(all, strings.TrimPrefix(at+"."+k, "."), v)
	}
}

// golden are the reviewed documents of schema/siem: every shape of alert, at each turn of its life.
func golden(t *testing.T) (docs []map[string]any) {
	t.Helper()
	for line := range strings.Lines(string(read(t, "../../schema/siem/testdata/ecs.golden"))) {
		var d map[string]any
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	if len(docs) < 40 {
		t.Fatalf("%d documents", len(docs))
	}
	return docs
}

// fields are all paths that ECS documents have.
func fields(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, d := range golden(t) {
		flat(all, "", d)
	}
	return all
}

func TestEveryFileCanBeRead(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b := read(t, path)
		switch filepath.Ext(path) {
		case ".json":
			err = json.Unmarshal(b, new(any))
		case ".yaml", ".yml":
			err = yaml.UnmarshalStrict(b, new(any))
		case ".xml":
			for x := xml.NewDecoder(strings.NewReader(string(b))); err == nil; {
				_, err = x.Token()
			}
			if err == io.EOF {
				err = nil
			}
		default:
			return nil
		}
		seen++
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || seen < 12 {
		t.Errorf("%d files read, %v", seen, err)
	}
}

// mapped are the fields of a template, with their types.
func mapped(t *testing.T, path string) map[string]string {
	t.Helper()
	var template struct {
		Template struct{ Mappings map[string]any }
	}
	if err := json.Unmarshal(read(t, path), &template); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var walk func(at string, props map[string]any)
	walk = func(at string, props map[string]any) {
		for name, v := range props {
			m, _ := v.(map[string]any)
			if deeper, ok := m["properties"].(map[string]any); ok {
				walk(at+name+".", deeper)
				continue
			}
			all[at+name], _ = m["type"].(string)
		}
	}
	props, _ := template.Template.Mappings["properties"].(map[string]any)
	walk("", props)
	return all
}

// Each field that an alert has in ECS is in both templates, in the type that ECS gives it, and no other is.
func TestTheTemplatesHaveTheFieldsOfAnAlertInTheTypesOfECS(t *testing.T) {
	list := "../../../shared/siem/ecs-fields.yml"
	if at := os.Getenv("SCANHOUND_CORPORA"); at != "" {
		list = filepath.Join(at, "..", "siem", "ecs-fields.yml")
	}
	if _, err := os.Stat(list); err != nil {
		t.Skip("no list of ECS's fields: ", err)
	}
	var ecs map[string]struct{ Type string }
	if err := yaml.Unmarshal(read(t, list), &ecs); err != nil || len(ecs) < 100 {
		t.Fatalf("%d fields, %v", len(ecs), err)
	}
	for _, path := range []string{"elastic/index-template.json", "opensearch/index-template.json"} {
		got := mapped(t, path)
		for name := range fields(t) {
			if _, ok := got[name]; !ok && !strings.HasPrefix(name, "scanhound.") {
				t.Errorf("%s lacks %s", path, name)
			}
		}
		for name, kind := range got {
			want := ecs[name].Type
			if strings.HasPrefix(path, "opensearch") && want == "match_only_text" {
				want = "text" // in every version of it
			}
			if name != "scanhound" && (want == "" || kind != want) {
				t.Errorf("%s: %s is %q, in ECS %q", path, name, kind, want)
			}
		}
	}
}

// named finds the fields that files of other programs name.
func TestFieldsThatAreNamedExist(t *testing.T) {
	have := fields(t)
	for pattern, expr := range map[string]string{
		"wazuh/*.xml":        `<field name="([^"]+)">|\$\(([^)]+)\)`,
		"splunk/props.conf":  `(?m)^FIELDALIAS-\S+ = "([^"]+)"|^EVAL-\S+ = '([^']+)'|^TIMESTAMP_FIELDS = (\S+)`,
		"sigma/*.yml":        `(?m)^ {4}([a-z_.]+): [a-z]`,
		"elastic/ingest*":    `\{\{\{([a-z][a-z.]*)\}\}\}`,
		"opensearch/ingest*": `\{\{\{([a-z][a-z.]*)\}\}\}`,
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		found := 0
		for _, path := range files {
			for _, m := range regexp.MustCompile(expr).FindAllStringSubmatch(string(read(t, path)), -1) {
				name := strings.Join(m[1:], "")
				if found++; have[name] == nil {
					t.Errorf("%s names %s, which no alert has", path, name)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s names nothing", pattern)
		}
	}
}

// Rules are numbered in Wazuh's place for own rules, each once, and lead to one that is there.
func TestWazuhsRulesFollowFromEachOther(t *testing.T) {
	var group struct {
		Rules []struct {
			ID    int    `xml:"id,attr"`
			Level int    `xml:"level,attr"`
			If    string `xml:"if_sid"`
		} `xml:"rule"`
	}
	if err := xml.Unmarshal(read(t, "wazuh/scanhound_rules.xml"), &group); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i, r := range group.Rules {
		if r.ID < 100000 || r.ID > 120000 || r.Level > 16 || i > 0 && r.ID <= group.Rules[i-1].ID {
			t.Errorf("rule %d of level %d", r.ID, r.Level)
		}
		for parent := range strings.SplitSeq(r.If, ",") {
			if parent != "" && !slices.Contains(ids, parent) {
				t.Errorf("rule %d follows from %s, which does not stand before it", r.ID, parent)
			}
		}
		id, _ := json.Marshal(r.ID)
		ids = append(ids, string(id))
	}
	if len(ids) < 5 {
		t.Errorf("%d rules", len(ids))
	}
}
