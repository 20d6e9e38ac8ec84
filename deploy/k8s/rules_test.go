package k8s_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

const alarms = "components/prometheus/alarms.yaml"

func rules(t *testing.T) monitoring.PrometheusRule {
	t.Helper()
	text, err := os.ReadFile(alarms)
	if err != nil {
		t.Fatal(err)
	}
	var r monitoring.PrometheusRule
	if err := yaml.UnmarshalStrict(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryAlarmSaysHowBadItIsAndWhatToDo(t *testing.T) {
	runbook, err := os.ReadFile("../../docs/alarms.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("components/prometheus/alarms_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range rules(t).Spec.Groups {
		for _, r := range g.Rules {
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: without summary or description", r.Alert)
			}
			page, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "#")
			if !strings.HasSuffix(page, "/docs/alarms.md") || anchor != strings.ToLower(r.Alert) || !strings.Contains(string(runbook), "\n## "+r.Alert+"\n") {
				t.Errorf("%s: docs/alarms.md does not say what to do, or runbook_url does not name it", r.Alert)
			}
			// Each is seen to fire, and to be quiet.
			for _, want := range []string{`alertname: ` + r.Alert + `\n +exp_alerts:\n`, `alertname: ` + r.Alert + `\n +exp_alerts: \[\]`} {
				if !regexp.MustCompile(want).Match(tests) {
					t.Errorf("%s: alarms_test.yaml has no %s", r.Alert, want)
				}
			}
		}
	}
}

func TestTheAlarmsFireAsTheirUnitTestsSay(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool here (Debian: apt-get install prometheus)")
	}
	dir := t.TempDir()
	plain, err := yaml.Marshal(map[string]any{"groups": rules(t).Spec.Groups})
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("components/prometheus/alarms_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"alarms.yaml": plain, "alarms_test.yaml": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal", "alarms.yaml"}, {"test", "rules", "alarms_test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
