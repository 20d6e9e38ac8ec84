// Package story has the language in which tests of detection tell what happens on
// a network, and what is said of it.
//
// A story is a text file of sections. What stands above the first one says what happens, and why
// that alerts or must be silent:
//
//	A host on the internet tries port 22 of 60 hosts, one a second.
//	-- settings --
//	internal 10.0.0.0/8
//	-- flows --
//	08:00 every 1s x60   198.51.100.7 -> 10.0.0.1+ tcp/22 syn
//	08:00 every 10m x12  10.0.3.1 -> 10.0.3.2 tcp/445 session     # lets time go on
//	-- alerts --
//	#  time           state  kind        severity  source        rule           hosts  ports  pairs  why
//	1  day1 08:00:24  open   horizontal  low       198.51.100.7  horizontal@5m  25     1      25     threshold 25, ...
//	-- guards --
//	good_before 12
//	-- may --
//	1 hosts 60 2.5%
//
// [Tell] plays the flows and writes the alerts and the guards anew; a test compares. A line of flows
// is conversations of one kind. It says when the first begins, how often there is another, who asks
// whom over what, what came of it, and what is special:
//
//	day2 08:00:00.500 every 1s..30s x200 pause 1h each 50
//	10.0.0.5:51515 -> 192.0.2.0/24~*3 udp/1..20    a pattern: the i-th conversation has the i-th of these
//	syn session silent answered ping null ...      what was sent, and what came back
//	refused unreachable                            an RST or an ICMP error came back
//	one-way reply-only biflow                      which records there are of it
//	flagless, packets=3 bytes=?, ports=?           what these records say, and what they do not
//	event=denied nat=created reason=1001           they are events of a firewall or a NAT
//	exporter 192.0.2.2, sampled 1000               who sends them
//	late 0s..5m, ask-late 30s, answer-late 30s     when they are exported
//	shuffled 7                                     every host with every port, in no order
//
// All lines run side by side. Their flows pass through orientation in datagrams of at most ten, in
// the order in which they are exported, and then through detection, one by one. The same text
// makes the same flows: what looks random is a hash of the line's number. The README of
// detect/testdata lists every word.
package story
