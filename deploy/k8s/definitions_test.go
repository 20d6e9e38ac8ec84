package k8s_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// definitions are the schemas of the operators' kinds, by apiVersion/kind, where their files are: SCANHOUND_CRDS names
// a folder, `make test-k8s` leaves one, and beside the project may be one.
func definitions(t *testing.T) map[string]map[string]any {
	t.Helper()
	var files []string
	for _, dir := range []string{os.Getenv("SCANHOUND_CRDS"), "../../.cache/k8s/crds", "../../../shared/kubernetes/crds"} {
		if found, _ := filepath.Glob(filepath.Join(dir, "*.y*ml")); dir != "" {
			files = append(files, found...)
		}
	}
	schemas := map[string]map[string]any{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\n---\n") {
			var crd struct {
				Spec struct {
					Group    string
					Names    struct{ Kind string }
					Versions []struct {
						Name   string
						Schema struct {
							Schema map[string]any `json:"openAPIV3Schema"`
						}
					}
				}
			}
			if err := yaml.Unmarshal([]byte(part), &crd); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, v := range crd.Spec.Versions {
				schemas[crd.Spec.Group+"/"+v.Name+"/"+crd.Spec.Names.Kind] = v.Schema.Schema
			}
		}
	}
	return schemas
}

func TestObjectsForOperatorsKeepToTheirDefinitions(t *testing.T) {
	schemas := definitions(t)
	d, err := load(t).build("overlays/production")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, c := range d.custom {
		schema := schemas[c.APIVersion+"/"+c.Kind]
		if schema == nil {
			continue
		}
		looked++
		spec := schema["properties"].(map[string]any)["spec"].(map[string]any)
		for _, wrong := range violations(spec, c.Spec, "spec") {
			t.Errorf("%s %s: %s", c.Kind, c.Name, wrong)
		}
		c.Spec["anything"] = 1
		if len(violations(spec, c.Spec, "spec")) == 0 {
			t.Errorf("%s: an unknown field is not found", c.Kind)
		}
	}
	if looked == 0 {
		t.Skip("no definitions here: SCANHOUND_CRDS names their folder")
	}
	t.Logf("%d objects", looked)
}

// violations are fields that the schema does not have, that it wants and are missing, and values that it does not list.
func violations(schema map[string]any, value any, at string) (wrong []string) {
	if free, _ := schema["x-kubernetes-preserve-unknown-fields"].(bool); free {
		return nil
	}
	switch v := value.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		rest, _ := schema["additionalProperties"].(map[string]any)
		for key, inner := range v {
			switch known, ok := properties[key].(map[string]any); {
			case ok:
				wrong = append(wrong, violations(known, inner, at+"."+key)...)
			case rest != nil:
				wrong = append(wrong, violations(rest, inner, at+"."+key)...)
			default:
				wrong = append(wrong, at+"."+key+" is not known")
			}
		}
		required, _ := schema["required"].([]any)
		for _, key := range required {
			if _, ok := v[key.(string)]; !ok {
				wrong = append(wrong, fmt.Sprintf("%s.%s is missing", at, key))
			}
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, inner := range v {
			wrong = append(wrong, violations(items, inner, fmt.Sprintf("%s[%d]", at, i))...)
		}
	default:
		if allowed, ok := schema["enum"].([]any); ok && !slices.Contains(allowed, value) {
			wrong = append(wrong, fmt.Sprintf("%s: %v is none of %v", at, value, allowed))
		}
	}
	return wrong
}
