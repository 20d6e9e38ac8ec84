package output

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// syslog sends messages of RFC 5424 over TCP or TLS (RFC 5425), each with its length before it
// (RFC 6587). Nobody acknowledges them: what was on its way when a connection broke is sent
// again as far as it is known, and may be lost where the receiver's machine went.
type syslog struct {
	e    *Entry
	to   *url.URL
	host string // ours

	conn net.Conn
	gone chan struct{} // closed when the receiver has closed conn
	out  []byte
}

const syslogTimeout = 30 * time.Second

func newSyslog(e *Entry, to *url.URL) *syslog {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	return &syslog{e: e, to: to, host: host}
}

func (o *syslog) send(ctx context.Context, docs []document) error {
	if err := o.dial(ctx); err != nil {
		return err
	}
	o.out = o.out[:0]
	for _, d := range docs {
		message := o.message(nil, d)
		o.out = append(strconv.AppendInt(o.out, int64(len(message)), 10), ' ')
		o.out = append(o.out, message...)
	}
	stop := context.AfterFunc(ctx, func() { _ = o.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := o.conn.SetWriteDeadline(time.Now().Add(syslogTimeout)); err != nil {
		o.close()
		return err
	}
	if _, err := o.conn.Write(o.out); err != nil {
		o.close()
		return err
	}
	return nil
}

// dial connects, unless a connection stands. A receiver that has closed it is asked first: TCP
// takes a first write after that without an error.
func (o *syslog) dial(ctx context.Context) error {
	if o.conn != nil {
		select {
		case <-o.gone:
			o.close()
		default:
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, syslogTimeout)
	defer cancel()
	var err error
	if o.to.Scheme == "tls" {
		o.conn, err = stream.DialTLS(ctx, o.to.Host, o.e.CAFile, o.e.CertFile, o.e.KeyFile)
	} else {
		o.conn, err = new(net.Dialer).DialContext(ctx, "tcp", o.to.Host)
	}
	if err != nil {
		o.conn = nil
		return err
	}
	o.gone = make(chan struct{})
	go func(c net.Conn, gone chan struct{}) {
		defer close(gone)
		for b := make([]byte, 512); ; {
			if _, err := c.Read(b); err != nil {
				return // nothing is said on this way, but for the end
			}
		}
	}(o.conn, o.gone)
	return nil
}

// message is one message. Its time is that of the alert's last contact.
//
//	<132>1 2026-11-27T12:00:00.123456Z collector scanhound - scan-open - CEF:0|...
func (o *syslog) message(b []byte, d document) []byte {
	const facility = 16 // local0
	b = fmt.Appendf(b, "<%d>1 %s %s scanhound - scan-%s - ", facility*8+severity(d.alert.Severity),
		d.alert.LastSeen.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), o.host, d.alert.State)
	return append(b, d.text...)
}

// severity is that of RFC 5424: critical 2, error 3, warning 4, notice 5.
func severity(s schema.Severity) int {
	switch s {
	case schema.Critical:
		return 2
	case schema.High:
		return 3
	case schema.Low:
		return 5
	}
	return 4
}

func (o *syslog) close() {
	if o.conn != nil {
		_ = o.conn.Close()
		o.conn = nil
	}
}
