// Package rules is who decides what a scan is: the settings of detection, the
// profile that is chosen, and the exceptions. All programs that detect embed
// [Config], so that the same settings give the same alerts in each.
//
// A profile names a set of detection rules: three ship with the program for three
// kinds of networks, others are those of an operator's rules file. A profile is
// complete: what it does not say it has from the one that it extends, in the end
// from the defaults. An explicit setting wins over a profile, so that the
// precedence is flag, environment, settings file, profile, default; that holds
// after the file was read again too. All profiles of a file are checked before any
// of them is used.
//
// An exceptions file lists what looks like a scan and is none.
package rules
