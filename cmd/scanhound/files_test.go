package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileThatIsMissingIsToldAndTheOthersAreRead(t *testing.T) {
	c := capture(t, "softflowd-v5")
	missing := filepath.Join(t.TempDir(), "missing.pcap")
	for _, command := range []string{"decode", "replay"} {
		want := run(t, nil, command, onDisk(t, c)).stdout
		r := run(t, nil, command, missing, onDisk(t, c))
		if r.code != 1 || r.stdout != want || want == "" {
			t.Errorf("%s: code %d, and %d bytes of output instead of %d", command, r.code, len(r.stdout), len(want))
		}
		for _, says := range []string{missing, "no such file", "1 of the files"} {
			if !strings.Contains(r.stderr, says) {
				t.Errorf("%s does not say %q:\n%s", command, says, r.stderr)
			}
		}
	}
}

func TestAFileOfOrdinaryTextIsRefusedWithWhatIsRead(t *testing.T) {
	letter := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(letter, []byte("Dear operator,\n\nall is well.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"decode", "replay", "demo"} {
		r := run(t, nil, command, letter)
		if r.code != 1 || r.stdout != "" {
			t.Errorf("%s: code %d, stdout %q", command, r.code, r.stdout)
		}
		for _, says := range []string{"letter.txt", "Dear operator", "pcap", "pcapng", "JSON objects", "gzip", "zstd"} {
			if !strings.Contains(r.stderr, says) {
				t.Errorf("%s does not say %q:\n%s", command, says, r.stderr)
			}
		}
	}
}

func TestDecodeAndReplayStopWhenTheyAreToldTo(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v5"))
	all := datagramsOf(t, []string{file})
	for _, command := range []string{"decode", "replay"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr screen
		code := runWith(ctx, nil, &stdout, &stderr, command, file)
		if n := counted(t, stderr.text(), "datagrams"); code == 0 || n >= all {
			t.Errorf("%s read %d datagrams and ended with %d", command, n, code)
		}
	}
}
