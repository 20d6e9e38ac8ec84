// Package settings fills a struct of kong-tagged fields from the command line,
// the environment, a settings file and the defaults, and says all that is wrong
// in any of them at once.
//
// A flag wins over the environment, the environment over the file, the file over
// the default. Each mistake is told with the place where it stands (--admin,
// $SCANHOUND_ADMIN, settings.yaml:3) and with what would be accepted; only a
// command line that cannot be understood is told alone. What is overridden is
// checked too: a wrong value in the file is wrong today, not on the day on which
// somebody drops the flag. Secrets are never shown.
//
// One file may serve several programs, see [Program]. [Values] are settings from
// elsewhere, such as a file of their own, with the same checks and words.
package settings
