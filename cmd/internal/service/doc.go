// Package service is what every scanhound program does while it runs: its log,
// its admin port, its metrics, its end.
//
// A program is one struct of kong-tagged fields with a Run method, or a struct
// of such commands. Main fills it, see [settings.Parse]: where anything is wrong
// with the settings Run is not called. It promises four things more.
//
// Exit codes: see [ExitCode].
//
// Logs go to stderr, data to stdout. A warning or an error that repeats is
// written at once and then at most every ten seconds, with the number of those
// left out; the metrics count all.
//
// The end: SIGTERM, SIGINT, or any stage that returns, stops the stages from
// first to last, each only when the one before it has returned; see
// [Service.Serve]. A second signal kills.
//
// The admin port, for a program that embeds [Config]: /livez, /readyz with the
// reasons for not being ready, /metrics, /version, /config with secrets masked,
// /debug/pprof, and the program's own pages. It opens before the first stage
// begins and closes after the last has returned.
//
// A Service belongs to the Run method that it was handed to. Checks, metrics
// and pages are registered before Serve, those of a part (a program inside a
// program, see [Service.Part]) before the part's; everything else may be used
// from any goroutine.
package service
