package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux that Go
// runs on (proc(5), times(2)).
const tick = 10 * time.Millisecond

// cpuTime is what a process has used until now, all its threads together.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(string(text))
}

// parseStat adds up utime and stime, the 14th and 15th field of proc_pid_stat(5).
// The second, the name in parentheses, may hold spaces and parentheses itself.
func parseStat(text string) (time.Duration, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("read the CPU time in %q: too few fields", text)
	}
	var ticks uint64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the CPU time in %q: %w", text, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// sockets says of all UDP sockets on a port together what waits in them and what
// they had no room for.
type sockets struct {
	n       int
	waiting uint64 // bytes, with the kernel's own
	drops   uint64 // datagrams
}

func socketsOn(port uint16) (sockets, error) {
	var all sockets
	for _, name := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return sockets{}, err
		}
		if err := all.add(string(text), port); err != nil {
			return sockets{}, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return all, nil
}

// add reads the table of /proc/net/udp: the local address is the second column,
// the queues tx:rx are the fifth, the drops are the last.
func (s *sockets) add(text string, port uint16) error {
	for line := range strings.Lines(text) {
		columns := strings.Fields(line)
		if len(columns) < 13 || columns[0] == "sl" {
			continue
		}
		if !strings.HasSuffix(columns[1], fmt.Sprintf(":%04X", port)) {
			continue
		}
		_, queue, _ := strings.Cut(columns[4], ":")
		waiting, err := strconv.ParseUint(queue, 16, 64)
		if err != nil {
			return fmt.Errorf("queue in %q: %w", line, err)
		}
		drops, err := strconv.ParseUint(columns[len(columns)-1], 10, 64)
		if err != nil {
			return fmt.Errorf("drops in %q: %w", line, err)
		}
		s.n++
		s.waiting += waiting
		s.drops += drops
	}
	return nil
}
