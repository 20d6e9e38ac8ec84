package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.yaml.in/yaml/v3"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema/flowfile"
	"github.com/scanhound/scanhound/stream"
)

const components = "../../deploy/k8s/components"

// live are the labels of each metric, and their values.
type live map[string]map[string][]string

// selector matches a metric of ours and what is asked of its labels.
var (
	selector = regexp.MustCompile(`\b((?:scanhound|process)_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`by \(([^)]*)\)`)
)

func TestWhatAlarmsAndDashboardsNameIsOnTheMetricsPage(t *testing.T) {
	c := settingsOf(t, fakeKafka(t))
	c.ingest.Exporters.Names = map[string]string{"127.0.0.1": "border"}
	page := alerting(t, c).metrics(t)
	files, err := filepath.Glob(components + "/prometheus/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no dashboards: ", err)
	}
	for _, file := range append(files, components+"/prometheus/alarms.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range page.unknown(string(text)) {
			t.Errorf("%s: %s", filepath.Base(file), wrong)
		}
	}
	for _, wrong := range []string{`scanhound_ingest_flow_total`, `scanhound_ingest_flows_total{fat="failed"}`, `scanhound_ingest_flows_total{fate=~"failed|fialed"}`, `sum by (gaurd) (x)`} {
		if len(page.unknown(wrong)) != 1 {
			t.Errorf("%s: not found wrong", wrong)
		}
	}
}

// alerting is a pipeline through which all that there is has gone once.
func alerting(t *testing.T, c *configs) *running {
	t.Helper()
	captures, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(captures, func(c lab.Capture) bool { return strings.Contains(c.Name, "v9") }) // it has templates
	r := start(t, c)
	r.play(t, recordingOf(t, func() (*flowfile.Reader, error) {
		pcap, err := captures[i].Open()
		return flowfile.Open([]string{"-"}, pcap), err
	}))
	r.idle(t)
	r.send(t, later(time.Now().Add(-time.Minute))...)
	r.idle(t)
	return r
}

func (r *running) metrics(t *testing.T) live {
	t.Helper()
	families, err := r.service.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	page := live{}
	for _, f := range families {
		labels := map[string][]string{}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
			}
		}
		page[f.GetName()] = labels
	}
	return page
}

// unknown is what text names and the page does not have.
func (page live) unknown(text string) (wrong []string) {
	text = strings.ReplaceAll(text, `\"`, `"`) // in JSON
	byScrape := []string{"namespace", "pod"}   // the labels that a scrape adds
	for _, m := range selector.FindAllStringSubmatch(text, -1) {
		labels, known := page[m[1]]
		if !known {
			wrong = append(wrong, m[1]+" is no metric")
			continue
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			values := labels[l[1]]
			switch {
			case slices.Contains(byScrape, l[1]) || l[1] == "exporter" && values != nil:
			case values == nil:
				wrong = append(wrong, m[1]+" has no label "+l[1])
			default:
				for _, value := range strings.Split(l[3], "|") {
					like := regexp.MustCompile("^(?:" + value + ")$")
					if !slices.ContainsFunc(values, like.MatchString) {
						wrong = append(wrong, m[1]+" has no "+l[1]+" "+value)
					}
				}
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(text, -1) {
		for _, l := range strings.Split(m[1], ", ") {
			named := slices.Contains(byScrape, l)
			for _, labels := range page {
				named = named || labels[l] != nil
			}
			if !named {
				wrong = append(wrong, "no metric has a label "+l)
			}
		}
	}
	return wrong
}

// resource is what is read of a Kubernetes object here.
type resource struct {
	Metadata struct{ Name string }
	Spec     map[string]any
}

func resources(t *testing.T, file string) (all []resource) {
	t.Helper()
	f, err := os.Open(filepath.Join(components, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for decoder := yaml.NewDecoder(f); ; {
		var r resource
		if decoder.Decode(&r) != nil {
			return all
		}
		all = append(all, r)
	}
}

func TestTopicsAndStreamForTheOperatorsAreThoseThatTheProgramsCreate(t *testing.T) {
	brokers := fakeKafka(t)
	c := settingsOf(t, brokers)
	alerting(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	created := map[string]string{
		"scanhound.flows.v1": c.ingest.Flows.Topic, "scanhound.alerts.v1": c.detector.Alerts.Topic,
		"scanhound.templates.v1": c.ingest.Templates.Topic, "scanhound.state.v1": c.detector.StateTopic,
	}
	declared := resources(t, "strimzi/topics.yaml")
	if len(declared) != len(created) {
		t.Errorf("%d topics are declared, %d are used", len(declared), len(created))
	}
	for _, d := range declared {
		topic := created[d.Metadata.Name]
		want, partitions := map[string]string{}, int(defaults.Of[stream.TopicConfig]().Partitions)
		if topic == c.ingest.Templates.Topic {
			partitions = 1
		}
		if d.Spec["partitions"] != partitions {
			t.Errorf("%s: declared are %v partitions, the programs create %d", topic, d.Spec["partitions"], partitions)
		}
		for key, value := range d.Spec["config"].(map[string]any) {
			if key != "min.insync.replicas" { // of a cluster
				text, _ := yaml.Marshal(value)
				want[key] = strings.TrimSpace(string(text))
			}
		}
		got := map[string]string{}
		configs, err := admin.DescribeTopicConfigs(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range configs[0].Configs {
			if e.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
				got[e.Key] = e.MaybeValue()
			}
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (- as created, + as declared):\n%s", topic, diff)
		}
	}
	streamIsAsDeclared(ctx, t, c.alerter.NATS.URL[0])
}

func streamIsAsDeclared(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(ctx, "SCAN_ALERTS")
	if err != nil {
		t.Fatal(err)
	}
	spec, have := resources(t, "nack/stream.yaml")[0].Spec, s.CachedInfo().Config
	want := map[string]any{
		"name": have.Name, "description": have.Description, "retention": "limits", "storage": "file", "discard": "old",
		"maxBytes": int(have.MaxBytes), "maxMsgSize": int(have.MaxMsgSize), "denyDelete": have.DenyDelete, "subjects": []any{have.Subjects[0]},
		"maxAge": hours(have.MaxAge), "duplicateWindow": hours(have.Duplicates),
	}
	delete(spec, "servers")
	delete(spec, "replicas") // of a cluster
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Errorf("the stream (- as created, + as declared):\n%s", diff)
	}
}

func hours(d time.Duration) string { return strings.TrimSuffix(d.String(), "0m0s") }
