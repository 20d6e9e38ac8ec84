// Package cases reads the alerts that stand on NATS, for a person or a program that asks: the
// newest revision of each says all of it. It writes nothing there.
package cases
