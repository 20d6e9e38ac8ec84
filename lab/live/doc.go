// Package live holds no code, only tests: exporters as they are installed on
// real machines send live to the programs as they are built. It promises that
// each record sent becomes a flow or a loss with a name, and that each scan is
// told through each exporter. Whoever changes what ingest reads runs it.
//
// Most of it needs Linux, root and the exporters (Debian: softflowd, pmacct,
// fprobe, nfdump, nmap, tcpdump, iproute2, python3); what is missing is named by
// the tests that are skipped. The tests run in network, mount and process
// namespaces of their own, which the kernel removes with the last process in
// them, however that ended: nothing is left behind.
package live
