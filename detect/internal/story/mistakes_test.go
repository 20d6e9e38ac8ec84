package story

import (
	"strings"
	"testing"
)

func TestAMistakeInAStoryIsToldWithItsLineAndWhatToWrite(t *testing.T) {
	const who = "198.51.100.7 -> 10.0.0.1 "
	for line, want := range map[string]string{
		"8 o'clock " + who + "tcp/22 syn":                      `"8": give a time such as 08:00`,
		"day0 08:00 " + who + "tcp/22 syn":                     `"day0": give day1`,
		"08:00 every now x3 " + who + "tcp/22 syn":             `"now": give a time such as 10s`,
		"08:00 every 9s..1s x3 " + who + "tcp/22 syn":          "the shorter time comes first",
		"08:00 x3 " + who + "tcp/22 syn":                       "say how far apart",
		"08:00 every 1s x3 pause 1h " + who + "tcp/22 syn":     "pause 1h each 100",
		"08:00 198.51.100 -> 10.0.0.1 tcp/22 syn":              `source: "198.51.100" is no address`,
		"08:00 198.51.100.7 10.0.0.1 tcp/22 syn":               "an arrow -> must follow",
		"08:00 198.51.100.7 -> 10.0.0.9..10.0.0.1 tcp/22 syn":  "the first and the last address",
		"08:00 198.51.100.7 -> 10.0.0.1/8~ tcp/22 syn":         "the network's own address",
		"08:00 198.51.100.7 -> 2001:db8::1 tcp/22 syn":         "IPv4 and IPv6",
		"08:00 " + who + "tcp/22~ syn":                         "several values to choose from",
		"08:00 " + who + "tcp/22,23+ syn":                      "+ goes on from one value",
		"08:00 " + who + "tcp/70000 syn":                       "a number up to 65535",
		"08:00 every 1s x100 " + who + "tcp/65500+ syn":        "beyond 65535",
		"08:00 " + who + "ssh syn":                             `"ssh": give icmp, or tcp`,
		"08:00 " + who + "tcp/22 ping":                         `"ping": over tcp give syn`,
		"08:00 " + who + "udp/53 silent refused":               "only TCP",
		"08:00 " + who + "tcp/22 syn reply-only":               "nobody answers a syn",
		"08:00 " + who + "tcp/22 syn sampled 1":                "N of 1 in N",
		"08:00 " + who + "tcp/22 syn reversed":                 `"reversed": give refused`,
		"08:00 " + who + "tcp/22 syn packets=":                 "packets: give a number",
		"08:00 " + who + "tcp/22 syn bytes=9/":                 "bytes: give a number, two of them",
		"08:00 " + who + "tcp/22 syn flags=S":                  "flags: only ? can be given",
		"08:00 " + who + "icmp ping ports=?":                   "this protocol has none",
		"08:00 " + who + "tcp/22 syn speed=3":                  `"speed": give packets=`,
		"08:00 " + who + "tcp/22 syn event=opened":             `event: "opened": give created, deleted, denied`,
		"08:00 " + who + "tcp/22 syn nat=3":                    `nat: "3": give created, deleted`,
		"08:00 " + who + "tcp/22 syn reason=why":               "reason: give a number such as 1001",
		"08:00 " + who + "tcp/22 syn exporter nobody":          "give an address, or none",
		"08:00 " + who + "tcp/22 syn ask-late soon":            "ask-late: \"soon\": give a time",
		"08:00 " + who + "tcp/22 session biflow ask-late 9s":   "a biflow is one record",
		"08:00 " + who + "tcp/1+ syn shuffled":                 "hosts and ports that have an end",
		"08:00 " + who + "tcp/1..9~ syn shuffled 3":            "without ~ and *",
		"08:00 " + who + "tcp/22 syn\n-- warnings --":          `"warnings": give settings`,
		"08:00 " + who + "tcp/22 syn\n-- settings --\nspeed 3": `"speed": give internal`,
	} {
		_, err := parse("a.txtar", []byte("Why.\n-- flows --\n# when it begins\n"+line+"\n-- alerts --\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "a.txtar:") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
		if err != nil && !strings.Contains(line, "\n") && !strings.HasPrefix(err.Error(), "a.txtar:4: ") {
			t.Errorf("%s: the mistake is in line 4, not %v", line, err)
		}
	}
	for text, want := range map[string]string{
		"-- flows --\n08:00 " + who + "tcp/22 syn\n-- alerts --\n": "a.txtar:1: say above",
		"Why.\n-- flows --\n-- alerts --\n":                        "a.txtar:3: a story has flows and alerts",
	} {
		if _, err := parse("a.txtar", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
