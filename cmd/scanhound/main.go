// Command scanhound is all of it on one machine, and the operator's tool: serve runs the
// whole pipeline in one process, and demo to try it out; the others work on recordings
// without any broker.
package main

import (
	"os"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/cmd/internal/settings"
)

var program = settings.Program{
	Name:   "scanhound",
	Help:   "Finds port scans in NetFlow, IPFIX and sFlow.",
	Admin:  "127.0.0.1:9104",
	Others: []any{new(ingest.Config), new(detector.Config), new(alerter.Config)},
}

type cli struct {
	Serve      serve           `cmd:"" help:"Run ingest, Kafka, detector, alerter and NATS in this process for a site of one machine: point routers at it, subscribe to its alerts."`
	Demo       demo            `cmd:"" help:"Run ingest, Kafka, detector, alerter and NATS in this process, play recorded scans into them, and print the alerts."`
	Decode     decode          `cmd:"" help:"Print every flow of recordings as a JSON line, with goflow2's names."`
	Clean      clean           `cmd:"" help:"Turn the reversed records of VAST 2013 flow files round, and leave every other byte as it is."`
	Explain    explainCommand  `cmd:"" help:"Tell of one source in recordings what is held, which rules it meets, and what keeps the others silent."`
	Replay     replay          `cmd:"" help:"Find scans in recordings, without any broker, in event time."`
	State      stateCommand    `cmd:"" help:"List what Kafka has of the state of each partition: how many parts, how old, of which flows, and what a detector would refuse."`
	Check      check           `cmd:"" help:"Say what is wrong with the settings of a deployment and the files that they name, and, with --online, with its topics, permissions, stream and clocks, and what mends it."`
	Reshard    reshardCommand  `cmd:"" help:"Move the state of all partitions to topics of another number of them, or to another Kafka, while the old ones are served: every alert goes on."`
	Health     healthcheck     `cmd:"" name:"healthcheck" help:"Ask a program on this machine whether it is ready, for containers without a shell: 0 if it is, else 1 and why."`
	Alerts     alertsCommand   `cmd:"" help:"Look at the alerts that stand on NATS: list, follow, show one, export."`
	Settings   settingsCommand `cmd:"" help:"Print a settings file with every setting of serve, ingest, detector and alerter, and its default, as comments."`
	Completion completion      `cmd:"" help:"Print the completion of commands, flags and values for a shell."`
	Manual     manual          `cmd:"" help:"Write the man pages."`
	Rules      rulesCommand    `cmd:"" help:"Print the detection rules that these settings put in force and every profile there is; a rules file with mistakes is refused."`
}

func main() { os.Exit(service.Main(program, new(cli))) }
