package settings

import (
	"regexp"
	"slices"
	"strings"

	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

// unknownVariables returns the variables of env that begin like a setting's and
// are none, each with the nearest known one in parentheses.
func unknownVariables(env map[string]string, known []string) []string {
	var unknown []string
	for name := range env {
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || serviceLink.MatchString(name) {
			continue
		}
		if n := yamlfile.Nearest(name, known); n != "" {
			name += " (nearest: " + n + ")"
		}
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	return unknown
}

// serviceLink matches what Kubernetes sets in each pod for each Service of its
// namespace: a Service scanhound-console gives SCANHOUND_CONSOLE_PORT=tcp://...
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)
