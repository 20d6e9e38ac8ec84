// Package image_test builds the container image as its Dockerfile says, without a daemon: the first stage is
// what make builds here, the second is read from the file. Then it runs each program out of the image.
package image_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"sigs.k8s.io/yaml"
)

func TestTheImageHoldsWhatItNeedsAndItsProgramsRunWithAReadOnlyRoot(t *testing.T) {
	image := build(t)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" {
		t.Errorf("user %q: Kubernetes sees that it is not root only if it is a number", config.Config.User)
	}
	root := unpack(t, image)
	programs, err := filepath.Glob(filepath.Join(root, "bin/*"))
	if err != nil || len(programs) != 4 {
		t.Fatalf("programs %v (%v), want 4", programs, err)
	}
	var size int64
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		if info.Mode().Perm()&0o022 != 0 || info.Mode()&fs.ModeSetuid != 0 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the image has %d MB", size>>20)
	for _, name := range programs {
		t.Run(filepath.Base(name), func(t *testing.T) { runs(t, root, "/bin/"+filepath.Base(name)) })
	}
	bom(t, root)
}

// runs the program with --version and --help, in the image as its root, read-only, as the image's user.
func runs(t *testing.T, root, program string) {
	if os.Getuid() != 0 {
		t.Skip("chroot wants root")
	}
	for _, flag := range []string{"--version", "--help"} {
		// The mount is in a namespace of its own and goes with the process.
		script := `mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && ! touch "$1/file" 2>/dev/null && exec chroot --userspec=65532:65532 "$1" "$2" "$3"`
		out, err := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", root, program, flag).CombinedOutput()
		if err != nil || !strings.Contains(string(out), strings.TrimPrefix(program, "/bin/")) {
			t.Errorf("%s %s: %v\n%s", program, flag, err, out)
		}
	}
}

// bom: the bill of materials and the licences name the same modules, and one that is known to be inside.
func bom(t *testing.T, root string) {
	t.Helper()
	notice, err := os.ReadFile(filepath.Join(root, "usr/share/doc/scanhound/NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "usr/share/doc/scanhound/sbom.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sbom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct{ Name, Version, PURL string }
	}
	if err := yaml.Unmarshal(text, &sbom); err != nil || sbom.BOMFormat != "CycloneDX" {
		t.Fatal(sbom.BOMFormat, err)
	}
	kafka := false
	for _, c := range sbom.Components {
		kafka = kafka || c.Name == "github.com/twmb/franz-go"
		if c.PURL == "" || !bytes.Contains(notice, []byte("\n"+c.Name+" "+c.Version+": ")) {
			t.Errorf("%s %s: without package URL, or without licence in NOTICE", c.Name, c.Version)
		}
	}
	if !kafka {
		t.Error("the Kafka client is not in the bill of materials")
	}
}

// build follows the Dockerfile.
func build(t *testing.T) v1.Image {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	_, last, found := strings.Cut(string(text), "\nFROM scratch\n")
	if !found || !strings.Contains(string(text), "\nRUN make notices BIN=/out\n") {
		t.Fatal("this test knows a Dockerfile that makes notices into /out, and goes on from scratch")
	}
	// Along the profile it would be compiled anew, with all that it imports.
	made := exec.Command("make", "notices", "BIN="+out, "PROFILE=off")
	made.Dir = "../.."
	if log, err := made.CombinedOutput(); err != nil {
		t.Fatalf("make notices: %v\n%s", err, log)
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	image := empty.Image
	var config v1.Config
	for line := range strings.Lines(last) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "#":
		case "COPY":
			f := strings.Fields(strings.TrimPrefix(rest, "--from=build "))
			for _, from := range f[:len(f)-1] {
				add(t, w, strings.Replace(from, "/out/", out+"/", 1), from, f[len(f)-1])
			}
		case "USER":
			config.User = rest
		case "CMD":
			if err := yaml.Unmarshal([]byte(rest), &config.Cmd); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("this test does not know %s", word)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		t.Fatal(err)
	}
	if image, err = mutate.Config(image, config); err != nil {
		t.Fatal(err)
	}
	return stored(t, image)
}

// stored writes the image as an OCI layout and reads it again, with every digest checked.
func stored(t *testing.T, image v1.Image) v1.Image {
	t.Helper()
	dir, err := layout.Write(t.TempDir(), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.AppendImage(image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if image, err = dir.Image(digest); err != nil {
		t.Fatal(err)
	}
	return image
}

// add copies one file as COPY does: into to, if that is a folder.
func add(t *testing.T, w *tar.Writer, file, name, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) && strings.HasPrefix(name, "/etc/ssl/") {
		text, err = []byte("# the authorities of the build stage\n"), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(to, "/") {
		to += path.Base(name)
	}
	mode := int64(0o644)
	if strings.HasPrefix(to, "/bin/") {
		mode = 0o755
	}
	if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(to, "/"), Mode: mode, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, image v1.Image) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	flat := mutate.Extract(image)
	defer flat.Close()
	for r := tar.NewReader(flat); ; {
		h, err := r.Next()
		if err == io.EOF {
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(root, filepath.FromSlash(h.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(name, text, fs.FileMode(h.Mode))
		}
		if err != nil {
			t.Fatal(fmt.Errorf("unpack %s: %w", h.Name, err))
		}
	}
}
