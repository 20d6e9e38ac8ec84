// Package flowfile reads the files that people have of their network: what
// exporters sent, recorded as pcap or pcapng or kept datagram by datagram, and
// flows as other programs print them: nfdump's CSV and fmt lines, the CSV of
// VAST 2013, Zeek's conn.log, Argus' CSV, and JSON objects as decode, goflow2,
// nfdump, pmacct, Suricata and Zeek write them.
//
// A file is known by what it begins with, never by its name, through any
// layers of gzip, zstd and bzip2; the name "-" is standard input. Reading streams: a
// file of 10 GB takes no more memory than a small one, plus what its packer
// asks for (zstd: at most 128 MiB, see maxWindow).
//
// Everything that is read is counted: a packet becomes a datagram or is skipped
// under a name, a line becomes a flow, or is blank, a header, not of IP, an event
// of another kind, or broken (see Stats). A line or an object without addresses is
// no flow. A broken packet or line costs only itself; the first few are kept with
// their place (see Reader.Broken). A capture whose records lose their lengths
// ends there, as does a file whose packing ends early: what was read is handed on,
// and an error says that it was read in part. A file that is none of these is
// refused whole.
//
// Captures are read through what mirrors and providers put around packets (VLANs,
// PPPoE, MPLS, VXLAN, GENEVE, GRE, ERSPAN, ...); several that were joined to one file
// are read one after the other.
//
// A flow that was printed as a line is what the line says: counts as printed,
// ports only where the protocol has them, flags only where it is told whose they
// are. Time without a zone is UTC. Nobody knows when the line's record arrived,
// so Received is when the flow ended. What each format leaves open, and how it
// is decided, stands on top of its file.
//
// A Reader belongs to one goroutine and starts none.
package flowfile
