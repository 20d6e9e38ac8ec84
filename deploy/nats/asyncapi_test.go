package nats_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// specs has the meta-schemas that the AsyncAPI Initiative publishes (Apache-2.0).
const specs = "@asyncapi/specs@6.11.1"

// metaSchema is that of AsyncAPI 3.0.0, by npm. Where npm or the network is missing, the test is skipped, but in CI.
func metaSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	absent := func(why any) {
		t.Helper()
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", specs)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		absent("npm install " + specs + ": " + err.Error() + "\n" + string(out))
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	s, err := c.Compile(filepath.Join(dir, "node_modules", "@asyncapi", "specs", "schemas", "3.0.0-without-$id.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheAsyncAPIDocumentIsWhatItsMetaSchemaSays(t *testing.T) {
	s := metaSchema(t)
	text, err := os.ReadFile("../../docs/alert.asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(parsed(t, string(text))); err != nil {
		t.Errorf("%v", err)
	}
	for name, change := range map[string]func(map[string]any){
		"no info":         func(d map[string]any) { delete(d, "info") },
		"another version": func(d map[string]any) { d["asyncapi"] = "2.6.0" },
		"an action of its own": func(d map[string]any) {
			d["operations"].(map[string]any)["receive-scan"].(map[string]any)["action"] = "read"
		},
		"a channel without words": func(d map[string]any) { d["channels"].(map[string]any)["scan"].(map[string]any)["address"] = 5 },
	} {
		wrong := parsed(t, string(text)).(map[string]any)
		change(wrong)
		if s.Validate(wrong) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
