// Package output takes alerts from Kafka to where people and their programs wait for them, beside
// NATS: a file, a syslog server, a webhook. One file of the operator's lists them.
//
// Each output is a consumer group of its own. So one that is down holds up no other, and goes on
// where it was when it is back. It commits what its receiver has taken: at least once, and every
// document has the id of its revision.
package output
