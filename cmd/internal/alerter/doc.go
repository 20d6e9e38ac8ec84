// Package alerter is the program that publishes alerts: it reads them from
// Kafka and hands them to a NATS JetStream, where SIEMs subscribe. cmd/alerter
// runs it alone, cmd/scanhound beside the other programs.
//
// An offset is committed when NATS has acknowledged every alert below it. What
// is published twice after a crash carries the same message id, and NATS keeps one.
package alerter
