// Package profile names sets of detection rules: three that ship with the
// program for three kinds of networks, and those of an operator's rules file.
//
// A profile is complete: what it does not say it has from the one that it
// extends, in the end from the defaults. An explicit setting wins over a profile,
// so that the precedence is flag, environment, settings file, profile, default;
// that holds after the file was read again too. All profiles of a file are
// checked before any of them is used.
package profile
