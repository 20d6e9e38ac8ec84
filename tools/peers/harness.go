package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const goflow2Version = "v2.2.6"

// harness is what all measurements of a run share.
type harness struct {
	dir    string // .cache/peers of the work tree
	kafka  string
	broker int // process id of our Kafka; 0 if it is another's
	topic  string
	peers  []peer
	notes  []string // what a reader of the table must know
	stop   func()   // ends our Kafka
}

// prepare builds and finds the peers. One that is not there is left out, and said.
func prepare(ctx context.Context, p plan) (*harness, error) {
	root, err := command(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	h := &harness{dir: filepath.Join(root, ".cache", "peers"), topic: fmt.Sprintf("peers.%d", os.Getpid()), stop: func() {}}
	h.note("sender, collector and Kafka share %s cores: compare the ratios, not the numbers", cores())
	if _, err := command(ctx, root, "go", "build", "-o", h.program("ingest"), "./cmd/ingest"); err != nil {
		return nil, err
	}
	if err := h.findKafka(); err != nil {
		return nil, err
	}
	h.peers = append(h.peers, peer{name: "ingest", start: h.ingest("none")}, peer{name: "ingest, lz4", start: h.ingest("lz4"), cpuOnly: true})
	if err := h.findGoflow2(ctx, p.build); err != nil {
		h.note("without goflow2: %v", err)
	} else {
		h.peers = append(h.peers, peer{name: "goflow2", start: h.goflow2})
		h.note("goflow2 %s: -format=bin to %s, a socket and a worker for each of two cores, a queue of 1,000 datagrams", goflow2Version, os.DevNull)
	}
	if err := findNfcapd(ctx, p.build); err != nil {
		h.note("without nfcapd: %v", err)
	} else {
		h.peers = append(h.peers, peer{name: "nfcapd", start: h.nfcapd})
		h.note("nfcapd: uncompressed files in memory")
	}
	return h, nil
}

func (h *harness) close() { h.stop() }

func (h *harness) note(format string, args ...any) {
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

func (h *harness) program(name string) string { return filepath.Join(h.dir, name) }

// command runs a program to its end and returns what it says, trimmed.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, said.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// findKafka takes the Apache Kafka that is named, else starts our own.
func (h *harness) findKafka() error {
	if h.kafka = os.Getenv("SCANHOUND_KAFKA"); h.kafka != "" {
		h.note("Kafka: %s, from SCANHOUND_KAFKA; the topic %s is left there", h.kafka, h.topic)
		return nil
	}
	h.note("Kafka: franz-go's kfake in a process of its own, whose CPU time is not counted")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-kafka")
	endWithUs(cmd)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	h.broker = cmd.Process.Pid
	h.stop = func() {
		_ = in.Close()
		_ = cmd.Wait() // it has nothing to say
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		h.stop()
		return fmt.Errorf("read the address of our Kafka: %w", err)
	}
	h.kafka = strings.TrimSpace(line)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return nil
}

// findGoflow2 builds it by its own go.mod, once for each version.
func (h *harness) findGoflow2(ctx context.Context, build bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if out, err := command(ctx, "", "go", "version", "-m", h.program("goflow2")); err == nil && strings.Contains(out, goflow2Version) {
		return nil
	}
	if !build {
		return fmt.Errorf("it is not built yet: run without -quick once")
	}
	_, err := command(ctx, "", "env", "GOBIN="+h.dir, "go", "install", "github.com/netsampler/goflow2/v2/cmd/goflow2@"+goflow2Version)
	return err
}

func findNfcapd(ctx context.Context, install bool) error {
	if _, err := exec.LookPath("nfcapd"); err == nil || !install {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("it is not here, and only root can install it (Debian: apt-get install nfdump)")
	}
	_, err := command(ctx, "", "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "install", "-y", "--no-install-recommends", "nfdump")
	return err
}
