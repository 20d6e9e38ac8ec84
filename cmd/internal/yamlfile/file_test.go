package yamlfile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

func TestWhatIsNoDocumentIsAMistakeWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"# nothing\n":               "",
		"a: 1\n":                    "",
		"a: 1\nb: [\n":              "line 2: did not find expected node content",
		"a:\n\t1\n":                 "line 2: found character that cannot start any token",
		"a: 1\n---\nb: 2\n":         "line 2: a second document begins here; one file holds one",
		"a: 1\n---\nb: [\n":         "line 3: did not find expected node content",
		"a: \x01\n":                 "control characters are not allowed",
		"- a\n--- # one\n--- # two": "line 2: a second document begins here; one file holds one",
	} {
		f := yamlfile.Parse([]byte(text))
		got := ""
		if err := f.Err(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMistakesAreToldByLineWhateverTheOrderInWhichTheyAreFound(t *testing.T) {
	f := yamlfile.Parse([]byte("a: 1\nb: 2\n"))
	f.Wrong(2, "b is %s", "late")
	f.Wrong(1, "a is late")
	f.Wrong(2, "b is wrong")
	if d := cmp.Diff("line 1: a is late\nline 2: b is late\nline 2: b is wrong", f.Err().Error()); d != "" {
		t.Error(d)
	}
}

func TestAKeyIsAWordThatStandsOnce(t *testing.T) {
	f := yamlfile.Parse([]byte("a: 1\n[b]: 2\n\"\": 3\nc: 4\na: 5\n"))
	seen := map[string]int{}
	var once []string
	for _, k := range f.Keys(f.Root, "a name") {
		if f.Once(seen, "here: ", k.Name, k.Line) {
			once = append(once, k.Name)
		}
	}
	if d := cmp.Diff([]string{"a", "c"}, once); d != "" {
		t.Error(d)
	}
	want := "line 2: a name must be a word\nline 3: a name must be a word\nline 5: here: a stands in line 1 already"
	if d := cmp.Diff(want, f.Err().Error()); d != "" {
		t.Error(d)
	}
}

func TestTheNearestWordIsOfferedUnlessHalfOfItWouldHaveToChange(t *testing.T) {
	known := []string{"owner", "reason", "until"}
	for word, want := range map[string]string{
		"onwer":  "did you mean owner?",
		"Reason": "did you mean reason?",
		"x":      "there are [owner reason until]",
		"ports":  "there are [owner reason until]",
	} {
		if got := yamlfile.Instead(word, known); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}
