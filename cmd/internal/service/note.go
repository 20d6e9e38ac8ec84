package service

import (
	"fmt"
	"strings"
)

// Note registers what /readyz says beside the word that all is well: something that
// an operator should know, and that keeps nothing from its work. An empty string says
// nothing. It is called by every probe, from any goroutine, and must not wait.
func (s *Service) Note(name string, say func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, note{s.within + name, say})
}

type note struct {
	name string
	say  func() string
}

// notices is a line for each note that says something.
func (s *Service) notices() string {
	s.mu.Lock()
	notes := append([]note{}, s.notes...)
	s.mu.Unlock()
	var lines strings.Builder
	for _, n := range notes {
		if text := n.say(); text != "" {
			fmt.Fprintf(&lines, "note: %s: %s\n", n.name, strings.ReplaceAll(text, "\n", "; "))
		}
	}
	return lines.String()
}
