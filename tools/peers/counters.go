package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// counters are the numbers of a Prometheus page, by name and labels as they stand there.
type counters map[string]float64

var admin = http.Client{Timeout: 10 * time.Second}

func get(ctx context.Context, url string) ([]byte, error) {
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := admin.Do(ask)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: %s", url, answer.Status)
	}
	return body, err
}

func scrape(ctx context.Context, url string) (counters, error) {
	body, err := get(ctx, url)
	if err != nil {
		return nil, err
	}
	return parseCounters(string(body))
}

func parseCounters(text string) (counters, error) {
	all := counters{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("read the metric %q: no value", line)
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read the metric %q: %w", line, err)
		}
		all[line[:at]] = v
	}
	return all, nil
}

// sum adds up the series of a name whose labels contain every one of the words.
func (c counters) sum(name string, words ...string) (total float64) {
series:
	for series, v := range c {
		own, labels, _ := strings.Cut(series, "{")
		if own != name {
			continue
		}
		for _, w := range words {
			if !strings.Contains(labels, w) {
				continue series
			}
		}
		total += v
	}
	return total
}
