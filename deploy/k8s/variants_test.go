// Package k8s_test holds the manifests of this folder against Kubernetes' own types, its pod
// security levels, the programs, and each other. What only a real API server can tell is in
// ../cluster.
package k8s_test

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// A tree is this folder: its files by path, some of them maybe changed by a test.
type tree map[string]string

func load(t *testing.T) tree {
	t.Helper()
	files := tree{}
	here := os.DirFS(".")
	err := fs.WalkDir(here, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".go" {
			return err
		}
		text, err := fs.ReadFile(here, name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Each component on the base alone, and what may be added to production.
	for name := range maps.Clone(files) {
		dir := path.Dir(name)
		if path.Base(name) == "kustomization.yaml" && strings.HasPrefix(dir, "components/") && strings.Contains(files[name], "kind: Component") {
			files["overlays/with-"+path.Base(dir)+"/kustomization.yaml"] = "resources: [../../base]\ncomponents: [../../" + dir + "]\n"
		}
	}
	files["overlays/production-edge/kustomization.yaml"] = "resources: [../production]\ncomponents: [../production/edge]\n"
	return files
}

// variants are the folders that somebody applies.
func (files tree) variants() []string {
	dirs := []string{"base"}
	for name, text := range files {
		dir := path.Dir(name)
		if path.Base(name) == "kustomization.yaml" && !strings.Contains(text, "kind: Component") && dir != "base" {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// build is what `kubectl kustomize dir` prints: no plugin, and no file from outside of a folder.
func (files tree) build(dir string) (*deployment, error) {
	disk := filesys.MakeFsInMemory()
	for name, text := range files {
		if err := disk.WriteFile("/k8s/"+name, []byte(text)); err != nil {
			return nil, err
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/k8s/"+dir)
	if err != nil {
		return nil, err
	}
	d := &deployment{dir: dir}
	for _, r := range built.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, err
		}
		if err := d.add(text); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func TestEveryVariantBuildsAndPassesEveryCheck(t *testing.T) {
	files := load(t)
	for _, dir := range files.variants() {
		t.Run(dir, func(t *testing.T) {
			d, err := files.build(dir)
			if err != nil {
				t.Fatal(err)
			}
			for name, check := range checks {
				for _, wrong := range check(d) {
					t.Errorf("%s: %s", name, wrong)
				}
			}
		})
	}
}

func TestOneSettingsFileServesTheEdgeToo(t *testing.T) {
	d, err := load(t).build("overlays/production-edge")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"settings", "lists"} {
		main, edge := d.configMap("scanhound", "scanhound-"+name), d.configMap("scanhound-edge", "scanhound-edge-"+name)
		if main == nil || edge == nil || !maps.Equal(main.Data, edge.Data) {
			t.Errorf("the edge's %s differ from those of production: %v, %v", name, edge, main)
		}
	}
}
