package siem

import "strings"

// document is a JSON object on its way.
type document map[string]any

// set puts a value at a path such as source.geo.country_iso_code. What says nothing is left
// out: an empty text, an empty list, the number 0 where it stands for unknown is the caller's.
func (d document) set(path string, v any) {
	switch v := v.(type) {
	case string:
		if v == "" {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	}
	for {
		head, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			d[head] = v
			return
		}
		next, ok := d[head].(document)
		if !ok {
			next = document{}
			d[head] = next
		}
		d, path = next, rest
	}
}
