package detect_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect/internal/story"
)

// A story is a file of testdata: flows above, what is said of them below.
func TestStoriesEndAsTheySay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { testStory(t, path) })
	}
}

func testStory(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now, err := story.Tell(path, text)
	switch {
	case err != nil: // which -update must not make right
		t.Fatal(err)
	case bytes.Equal(now, text):
	case *update:
		if err := os.WriteFile(path, now, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: (-the story +what is said; -update rewrites it)\n%s", path, cmp.Diff(strings.Split(string(text), "\n"), strings.Split(string(now), "\n")))
	}
}
