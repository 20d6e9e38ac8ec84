// Command scanhound is the operator's tool: it decodes and replays recordings
// without any broker, and runs the whole pipeline in one process to try it out.
package main

import (
	"os"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/service"
)

var program = service.Program{
	Name:   "scanhound",
	Help:   "Finds port scans in NetFlow and IPFIX.",
	Others: []any{new(ingest.Config), new(detector.Config), new(alerter.Config)},
}

type cli struct {
	Demo    demo    `cmd:"" help:"Run ingest, Kafka, detector, alerter and NATS in this process, play recorded scans into them, and print the alerts."`
	Decode  decode  `cmd:"" help:"Print every flow of recordings as a JSON line, with goflow2's names."`
	Clean   clean   `cmd:"" help:"Turn the reversed records of VAST 2013 flow files round, and leave every other byte as it is."`
	Explain explain `cmd:"" help:"Tell of one source in recordings what is held, which rules it meets, and what keeps the others silent."`
	Replay  replay  `cmd:"" help:"Find scans in recordings, without any broker, in event time."`
	Rules   rules   `cmd:"" help:"Print the detection rules that these settings put in force and every profile there is; a rules file with mistakes is refused."`
}

func main() { os.Exit(service.Main(program, new(cli))) }
