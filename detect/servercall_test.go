package detect_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

var ftpServer = netip.MustParseAddr("203.0.113.21")

// data is a connection of the FTP server to a client that nothing answers.
func data(client netip.Addr, port uint16, after time.Duration) schema.Flow {
	f := syn(ftpServer, client, port, after)
	f.Src.Port, f.Orientation = 20, schema.OrientNone
	return f
}

// ftp is sessions of n clients, each with a data connection that a firewall drops.
func ftp(n int) (flows []schema.Flow) {
	for i := range n {
		at := time.Duration(i) * time.Second
		flows = append(flows, session(target(i), ftpServer, 21, at), data(target(i), 5001, at+time.Second))
	}
	return flows
}

func TestAServerCallToAHostThatJustOpenedASessionIsNoProbe(t *testing.T) {
	asks := func(port uint16) (flows []schema.Flow) {
		for i := range 200 {
			at := time.Duration(i) * time.Second
			flows = append(flows, syn(ftpServer, target(i), 113, at+time.Second), session(target(i), ftpServer, port, at))
		}
		return flows
	}
	transfers := []schema.Flow{session(target(1), ftpServer, 21, 0)}
	for i := range 199 {
		transfers = append(transfers, data(target(1), uint16(5001+i), time.Duration(i)*time.Second))
	}
	// only changes the sessions, which are every second flow of ftp.
	only := func(change func(*schema.Flow)) []schema.Flow {
		flows := ftp(200)
		for i := 0; i < len(flows); i += 2 {
			change(&flows[i])
		}
		return flows
	}
	for _, c := range []struct {
		name  string
		flows []schema.Flow
		marks uint64
	}{
		{"active FTP", ftp(200), 200},
		{"active FTP, many files of one client", transfers, 199},
		{"ident of a mail server, exported before the session in one datagram", asks(25), 200},
		{"ident of PostgreSQL", asks(5432), 200},
		{"ident of a web server", asks(443), 0},
		{"FTP, only the server's half of the sessions seen", only(func(f *schema.Flow) {
			*f = reply(*f, 10, schema.SYN|schema.ACK|schema.PSH)
		}), 200},
		{"sessions that are SYNs alone", only(func(f *schema.Flow) {
			*f = syn(f.Src.Addr, f.Dst.Addr, 21, f.Start.Sub(noon))
		}), 0},
		{"sessions of which all was refused", only(func(f *schema.Flow) {
			*f = syn(f.Src.Addr, f.Dst.Addr, 21, f.Start.Sub(noon))
			f.Dst.Packets, f.Dst.TCPFlags = 1, schema.RST|schema.ACK
		}), 0},
		{"sessions of an hour ago", only(func(f *schema.Flow) {
			f.Start, f.End = f.Start.Add(-2*time.Hour), f.End.Add(-2*time.Hour)
		}), 0},
		{"a long session that goes on", only(func(f *schema.Flow) { f.Start = f.Start.Add(-2 * time.Hour) }), 200},
		{"sessions of others", only(func(f *schema.Flow) { f.Src.Addr = target(5000) }), 0},
		{"sessions with another server", only(func(f *schema.Flow) { f.Dst.Addr = target(5000) }), 0},
	} {
		p := orient.NewPairing(1024, orient.ServicePorts[:])
		for i := 0; i < len(c.flows); i += 10 {
			p.Orient(c.flows[i : i+10])
		}
		d := newDetector(t, nil)
		d.Observe(c.flows, 0)
		if p.Stats.ServerCalls != c.marks || keptSilent(d)["server_call"] != c.marks || (d.Stats().Opened == 0) != (c.marks > 0) {
			t.Errorf("%s: %d marked, %d alerts, kept silent: %v", c.name, p.Stats.ServerCalls, d.Stats().Opened, keptSilent(d))
		}
	}
}

// One client's session must not buy an FTP server the right to scan the others.
func TestAScannerFromPort20WithASessionOfOneClientIsStillOne(t *testing.T) {
	flows := []schema.Flow{session(target(3), ftpServer, 21, 0)}
	for i := range 200 {
		flows = append(flows, data(target(i), 22, time.Duration(1+i)*time.Second))
	}
	d := newDetector(t, nil)
	closed := finals(alertsOf(t, d, oriented(flows)))
	if len(closed) != 1 || closed[0].Hosts.Count < 199 || keptSilent(d)["server_call"] != 1 {
		t.Errorf("%+v, kept silent: %v", closed, keptSilent(d))
	}
}
