package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

func cores() string { return fmt.Sprint(runtime.NumCPU()) }

// widenBuffers lets sockets that are opened now have as large a receive buffer as
// ingest takes with CAP_NET_ADMIN: goflow2 has no setting for it, and nfcapd only
// up to rmem_max. It returns what puts the limits back as they were.
func (h *harness) widenBuffers() (restore func()) {
	var undo []func()
	restore = func() {
		for _, f := range undo {
			f()
		}
	}
	for _, name := range []string{"rmem_max", "rmem_default"} {
		path := filepath.Join("/proc/sys/net/core", name)
		before, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, fmt.Appendln(nil, receiveBuffer), 0o644)
		}
		if err != nil {
			h.noteOnce("goflow2 and nfcapd have the small socket buffers of this machine, for only root can widen them")
			return restore
		}
		undo = append(undo, func() { _ = os.WriteFile(path, before, 0o644) })
	}
	h.noteOnce(fmt.Sprintf("every collector has receive buffers of %d MiB; for goflow2 and nfcapd net.core.rmem_* is raised while they start", receiveBuffer>>20))
	return restore
}

func (h *harness) noteOnce(text string) {
	if !strings.Contains(strings.Join(h.notes, "\n"), text) {
		h.note("%s", text)
	}
}
