package yamlfile_test

import (
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

func FuzzAFileIsReadToItsEndAndEachMistakeIsALine(f *testing.F) {
	for _, text := range []string{
		"- {name: rex, toys: [a, b]}\n", "- &d {name: rex, <<: *d}\n- *d\n", "- name: rex\n  nmae: x\n- 7\n", "a: [\n", "---\n...\n", "~", "? [a]\n: b\n",
		"- &a [*a]\n", "- {<<: [{name: a}, {toys: b}]}\n", "%YAML 1.1\n---\n- name: !!binary aGk=\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := yamlfile.Parse(text)
		entries := 0
		for e := range file.Entries("a list of dogs") {
			entries++
			if e.Line < 1 || e.Line > len(text)+1 {
				t.Errorf("an entry in line %d of %d bytes", e.Line, len(text))
			}
			if before := len(file.Mistakes()); e.Fill(dog{}) != (len(file.Mistakes()) == before) {
				t.Errorf("Fill does not say what it found: %v", file.Mistakes()[before:])
			}
		}
		if err := file.Err(); (err == nil) != (len(file.Mistakes()) == 0) {
			t.Errorf("%v for %v", err, file.Mistakes())
		}
		if file.Root == nil && entries > 0 {
			t.Error("entries of a file that has none")
		}
	})
}
