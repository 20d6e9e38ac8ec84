package service

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// The metrics of a program are read where they are counted, when somebody
// scrapes: a plain Stats struct needs no metric types. A name is given without
// its beginning, scanhound_<program>_. The functions are called from any
// goroutine.

// Counters registers a family of counters that differ in one label. At each
// scrape, each yields the label's values, every one once, with what it has
// counted since the program began:
//
//	s.Counters("datagrams_total", "Datagrams by outcome.", "outcome", func(yield func(string, uint64)) {
//		stats := reader.Stats()
//		yield("decoded", stats.Decoded)
//		yield("skipped", stats.Skipped)
//	})
func (s *Service) Counters(name, help, label string, each func(yield func(value string, v uint64))) {
	s.counter(name, help, []string{label}, func(c func(float64, ...string)) {
		each(func(value string, v uint64) { c(float64(v), value) })
	})
}

// Counter registers one counter.
func (s *Service) Counter(name, help string, v func() uint64) {
	s.counter(name, help, nil, func(c func(float64, ...string)) { c(float64(v())) })
}

// Gauges registers a family of gauges as [Service.Counters] does.
func (s *Service) Gauges(name, help, label string, each func(yield func(value string, v float64))) {
	s.gauge(name, help, []string{label}, func(c func(float64, ...string)) {
		each(func(value string, v float64) { c(v, value) })
	})
}

// Gauge registers one gauge.
func (s *Service) Gauge(name, help string, v func() float64) {
	s.gauge(name, help, nil, func(c func(float64, ...string)) { c(v()) })
}

// Histogram registers one histogram, whose largest bucket has no end.
func (s *Service) Histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: s.metric(name), Help: help, Buckets: buckets})
	s.register(h)
	return h
}

// Metrics is the registry behind /metrics, for libraries that
// bring metrics of their own, and for tests that read.
func (s *Service) Metrics() *prometheus.Registry { return s.registry }

func (s *Service) counter(name, help string, labels []string, read func(func(float64, ...string))) {
	if !strings.HasSuffix(name, "_total") {
		panic("BUG: counter " + name + " does not end in _total")
	}
	s.family(name, help, labels, prometheus.CounterValue, read)
}

func (s *Service) gauge(name, help string, labels []string, read func(func(float64, ...string))) {
	if strings.HasSuffix(name, "_total") {
		panic("BUG: gauge " + name + " ends in _total")
	}
	s.family(name, help, labels, prometheus.GaugeValue, read)
}

func (s *Service) family(name, help string, labels []string, t prometheus.ValueType, read func(func(float64, ...string))) {
	if help == "" {
		panic("BUG: metric " + name + " has no help")
	}
	s.register(&family{prometheus.NewDesc(s.metric(name), help, labels, nil), t, read})
}

func (s *Service) metric(name string) string {
	return prometheus.BuildFQName("scanhound", s.name, name)
}

func (s *Service) register(c prometheus.Collector) {
	if err := s.registry.Register(c); err != nil {
		panic("BUG: metrics of " + s.name + ": " + err.Error())
	}
}

// family is a collector of metrics that somebody else counts.
type family struct {
	desc *prometheus.Desc
	t    prometheus.ValueType
	read func(yield func(v float64, labels ...string))
}

func (f *family) Describe(c chan<- *prometheus.Desc) { c <- f.desc }

func (f *family) Collect(c chan<- prometheus.Metric) {
	f.read(func(v float64, labels ...string) {
		m, err := prometheus.NewConstMetric(f.desc, f.t, v, labels...)
		if err != nil { // a label that is no UTF-8
			m = prometheus.NewInvalidMetric(f.desc, err)
		}
		c <- m
	})
}
