package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/output"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
)

// maxAlertLine is far beyond an alert.
const maxAlertLine = 4 << 20

// ways prints where the alerts of a file would go: a line of JSON each, as scanhound replay --output=json
// and NATS have them.
func (c *check) ways(s *service.Service) error {
	cli := new(struct {
		service.Config
		Alerter alerter.Config `embed:""`
	})
	as, err := s.As(alerter.Program.Beside(program.Others...), cli, new(diagnosis).of(alerter.Program.Name))
	if err != nil {
		return service.Misconfigured(err)
	}
	if err := alerter.Readable(cli.Alerter, as); err != nil {
		return service.Misconfigured(err)
	}
	var outputs []byte
	if path := cli.Alerter.Outputs.Outputs; path != "" {
		if outputs, err = os.ReadFile(path); err != nil {
			return err
		}
	}
	trace, err := output.NewTrace(outputs, service.Version().Version, cli.Alerter.Site)
	if err != nil {
		return service.Misconfigured(err)
	}
	in, err := os.Open(c.Alert)
	if err != nil {
		return service.Misconfigured(fmt.Errorf("alert: %w", err))
	}
	err = trackAll(in, s.Stdout, trace, cli.Alerter.Site)
	return errors.Join(err, in.Close())
}

func trackAll(in io.Reader, out io.Writer, trace *output.Trace, site string) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxAlertLine)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for n := 1; lines.Scan(); n++ {
		raw := bytes.TrimSpace(lines.Bytes())
		if len(raw) == 0 {
			continue
		}
		a, err := schema.ParseAlert(raw)
		if err != nil {
			return service.Misconfigured(fmt.Errorf("alert: line %d: %w", n, err))
		}
		h := a.Header()
		fmt.Fprintf(t, "%s %s %s %s of %s\n", h.MessageID(), a.State, a.Kind, a.Severity, a.Source)
		for _, subject := range append([]string{h.Subject(site)}, h.SevereSubjects(site)...) {
			fmt.Fprintf(t, "  NATS\tsent\t%s\t\n", subject)
		}
		for _, w := range trace.Of(raw, a) {
			said := "held back"
			if w.Sent {
				said = "sent"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", w.Output, said, w.To, w.Why)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return service.Misconfigured(fmt.Errorf("alert: %w", err))
	}
	return nil
}
