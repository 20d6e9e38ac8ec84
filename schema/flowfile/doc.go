// Package flowfile reads the files that people have of their network: what
// exporters sent, recorded as pcap or pcapng or kept datagram by datagram, and
// flows as JSON lines.
//
// A file is known by what it begins with, never by its name, through any
// layers of gzip and zstd; the name "-" is standard input. Reading streams: a
// file of 10 GB takes no more memory than a small one, plus what its packer
// asks for (zstd: at most 128 MiB, see maxWindow).
//
// Everything that is read is counted: a packet becomes a datagram or is skipped
// under a name, a line becomes a flow or is blank or broken (see Stats). A
// broken packet or line costs only itself, and a capture whose records lose
// their lengths ends there; the first few are kept with their place (see
// Reader.Broken). A file that is none of these is refused whole.
//
// A Reader belongs to one goroutine and starts none.
package flowfile
