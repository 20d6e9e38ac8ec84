// Package flowfile reads the files that people have of their network: what
// exporters sent, recorded as pcap or pcapng or kept datagram by datagram, and
// flows as other programs print them: nfdump's CSV and fmt lines, the CSV of
// VAST 2013, Zeek's conn.log (its own form and JSON), Argus' CSV, JSON lines.
//
// A file is known by what it begins with, never by its name, through any
// layers of gzip and zstd; the name "-" is standard input. Reading streams: a
// file of 10 GB takes no more memory than a small one, plus what its packer
// asks for (zstd: at most 128 MiB, see maxWindow).
//
// Everything that is read is counted: a packet becomes a datagram or is skipped
// under a name, a line becomes a flow, or is blank, a header, not of IP, or
// broken (see Stats). A
// broken packet or line costs only itself, and a capture whose records lose
// their lengths ends there; the first few are kept with their place (see
// Reader.Broken). A file that is none of these is refused whole.
//
// A flow that was printed as a line is what the line says: counts as printed,
// ports only where the protocol has them, flags only where it is told whose they
// are. Time without a zone is UTC. Nobody knows when the line's record arrived,
// so Received is when the flow ended. What each format leaves open, and how it
// is decided, stands on top of its file.
//
// A Reader belongs to one goroutine and starts none.
package flowfile
