package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/cases"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// alertsCommand looks at the alerts that stand on NATS.
type alertsCommand struct {
	List   alertsList   `cmd:"" help:"One line for each alert, as it is now, those first that were said first."`
	Follow alertsFollow `cmd:"" help:"One line for each revision from now on, until Ctrl-C."`
	Show   alertsShow   `cmd:"" help:"All of one alert, as text for a ticket, with its footprint drawn."`
	Export alertsExport `cmd:"" help:"All alerts as CSV, or as filters that nfdump finds their flows with."`
}

// alertsNATS is how the commands reach NATS.
type alertsNATS struct {
	NATS stream.NATSConfig `embed:"" prefix:"nats-" group:"NATS:"`
}

// alertChoice is which alerts are meant.
type alertChoice struct {
	Severity string        `default:"low" enum:"low,medium,high,critical" env:"-" help:"Least severity."`
	Kind     []schema.Kind `enum:"vertical,horizontal,block,mixed,sweep,protocols" env:"-" help:"Kinds; without it all: ${enum}."`
	Source   netip.Prefix  `env:"-" placeholder:"NETWORK" help:"Sources within this network, such as 10.0.0.0/8 or 192.0.2.1/32."`
	Since    time.Duration `env:"-" placeholder:"DURATION" help:"Seen no longer ago than this, such as 24h."`
	Active   bool          `env:"-" help:"Only what has not closed."`
}

func (c *alertChoice) takes(a *schema.Alert, now time.Time) bool {
	least := schema.Severity(c.Severity)
	switch {
	case a.Severity != a.Severity.OrMore(least):
		return false
	case len(c.Kind) > 0 && !slices.Contains(c.Kind, a.Kind):
		return false
	case c.Source.IsValid() && !c.Source.Contains(a.Source):
		return false
	case c.Since > 0 && now.Sub(a.LastSeen) > c.Since:
		return false
	}
	return !c.Active || a.State != schema.Close
}

// alertsTimeout is how long NATS may take to answer.
const alertsTimeout = 10 * time.Second

// with calls do with the store, connected.
func (c *alertsNATS) with(ctx context.Context, s *service.Service, do func(context.Context, cases.Store) error) error {
	n, err := stream.DialNATS(c.NATS, slog.New(slog.DiscardHandler))
	if err != nil {
		return s.MisconfiguredIn("nats-", err)
	}
	defer n.Close()
	for end := time.Now().Add(alertsTimeout); n.Connected() != nil; {
		if time.Now().After(end) || ctx.Err() != nil {
			return service.Unreachable(n.Connected())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return do(ctx, cases.Store{JS: n.JetStream(), Name: c.NATS.Name})
}

type alertsList struct {
	alertsNATS
	alertChoice
	JSON bool `env:"-" help:"The alerts themselves, one JSON object a line."`
}

// Run prints them.
func (c *alertsList) Run(ctx context.Context, s *service.Service) error {
	return c.with(ctx, s, func(ctx context.Context, store cases.Store) error {
		now := time.Now()
		out := &alertWriter{w: bufio.NewWriter(s.Stdout), form: formOf("text")}
		if c.JSON {
			out.form = formOf("json")
		}
		err := store.Last(ctx, func(a *schema.Alert) error {
			if !c.takes(a, now) {
				return nil
			}
			return out.print(a)
		})
		return errors.Join(err, out.close())
	})
}

type alertsFollow struct {
	alertsNATS
	alertChoice
}

// Run prints them as they come.
func (c *alertsFollow) Run(ctx context.Context, s *service.Service) error {
	return c.with(ctx, s, func(ctx context.Context, store cases.Store) error {
		out := &alertWriter{w: bufio.NewWriter(s.Stdout), form: formOf("text")}
		return store.Follow(ctx, func(a *schema.Alert) error {
			if !c.takes(a, time.Now()) {
				return nil
			}
			return errors.Join(out.print(a), out.w.Flush())
		})
	})
}

type alertsShow struct {
	alertsNATS
	ID   string `arg:"" help:"Id of the alert, of which 12 hex digits do, as every text prints them."`
	JSON bool   `env:"-" help:"The alert itself."`
}

// Run prints it.
func (c *alertsShow) Run(ctx context.Context, s *service.Service) error {
	return c.with(ctx, s, func(ctx context.Context, store cases.Store) error {
		ctx, stop := context.WithTimeout(ctx, alertsTimeout)
		defer stop()
		a, err := store.Get(ctx, c.ID)
		if err != nil {
			return err
		}
		out := &alertWriter{w: bufio.NewWriter(s.Stdout), form: formOf("json")}
		if c.JSON {
			err = out.print(a)
		} else {
			cases.Ticket(out.w, a)
		}
		return errors.Join(err, out.close())
	})
}

type alertsExport struct {
	alertsNATS
	alertChoice
	Format string `default:"csv" enum:"csv,nfdump" env:"-" help:"csv: a row for each alert. nfdump: a filter for each, to give to nfdump -f."`
}

// Run writes them.
func (c *alertsExport) Run(ctx context.Context, s *service.Service) error {
	return c.with(ctx, s, func(ctx context.Context, store cases.Store) error {
		out, now, n := bufio.NewWriter(s.Stdout), time.Now(), 0
		rows := csv.NewWriter(out)
		if c.Format == "csv" {
			if err := rows.Write(cases.Columns); err != nil {
				return err
			}
		}
		err := store.Last(ctx, func(a *schema.Alert) (err error) {
			switch {
			case !c.takes(a, now):
			case c.Format == "csv":
				err = rows.Write(cases.Row(a))
			default:
				or := ""
				if n > 0 {
					or = "or "
				}
				n++
				_, err = fmt.Fprintf(out, "# %.12s %s\n%s(%s)\n", a.ID, a.Kind, or, cases.Filter(a))
			}
			return err
		})
		rows.Flush()
		return errors.Join(err, rows.Error(), out.Flush())
	})
}
