package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"text/tabwriter"
	"time"
)

// record sends the day to an nfcapd that writes it to files, as fast as its socket takes it.
func (h *harness) record(ctx context.Context, w *workload, files string) error {
	udp, _, err := freePorts()
	if err != nil {
		return err
	}
	restore := h.widenBuffers()
	defer restore()
	c, err := launch(ctx, udp, "nfcapd", "-b", "127.0.0.1", "-p", fmt.Sprint(udp), "-w", files, "-t", "3600", "-B", fmt.Sprint(receiveBuffer))
	if err != nil {
		return err
	}
	defer c.stop()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(c.addr()))
	if err != nil {
		return err
	}
	defer conn.Close()
	sent := 0
	for d := range w.datagrams {
		if _, err := conn.Write(d); err != nil {
			return err
		}
		if sent++; sent%64 == 0 {
			if err := drained(ctx, udp, receiveBuffer/8); err != nil {
				return err
			}
		}
	}
	return drained(ctx, udp, 0)
}

// drained waits until no more than so many bytes wait on a port, of which none was lost.
func drained(ctx context.Context, port uint16, atMost uint64) error {
	for {
		s, err := socketsOn(port)
		switch {
		case err != nil:
			return err
		case s.n == 0:
			return fmt.Errorf("the socket is gone")
		case s.drops > 0:
			return fmt.Errorf("%d datagrams were lost on the way to its files", s.drops)
		case s.waiting <= atMost:
			return ctx.Err()
		case ctx.Err() != nil:
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
}

// writeFindings prints every finder, and against each other one how much CPU time ours takes.
func writeFindings(out io.Writer, rows []finding) {
	if len(rows) == 0 {
		return
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\ndetector, %d flows\tCPU s\twall s\tflows/s/core\tpeak MiB\tscans found\tfalse\treplay's CPU is\treplay's peak is\t\n", rows[0].flows)
	ours := rows[0]
	for i, r := range rows {
		cpu, peak := "", ""
		if i > 0 {
			cpu, peak = ratio(ours.cpu.Seconds(), r.cpu.Seconds()), ratio(float64(ours.peak), float64(r.peak))
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%s\t%d\t%d of %d\t%d\t%s\t%s\t\n", r.finder, r.cpu.Seconds(), r.wall.Seconds(),
			thousands(float64(r.flows)/r.cpu.Seconds()), r.peak>>20, r.right, r.scanners, r.wrong, cpu, peak)
	}
	_ = t.Flush() // a terminal that is gone has nobody to tell
}
