package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
)

// tlsFiles are the certificates of one connection, by the names of their files.
type tlsFiles struct{ ca, cert, key string }

// DialTLS connects over TLS with what the files hold now: an authority's certificates, and a
// certificate of ours with its key. No name of a file is the system's authorities, or no certificate.
func DialTLS(ctx context.Context, address, ca, cert, key string) (net.Conn, error) {
	return tlsFiles{ca, cert, key}.dial(ctx, "tcp", address)
}

func (f tlsFiles) given() bool { return f.ca != "" || f.cert != "" || f.key != "" }

func (f tlsFiles) check() error {
	if (f.cert == "") != (f.key == "") {
		return fmt.Errorf("cert-file and key-file belong together: give both, or neither")
	}
	return nil
}

// dial connects over TLS with what the files hold now, so that certificates and
// authorities which were rotated need no restart.
func (f tlsFiles) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conf, err := f.load()
	if err != nil {
		return nil, err
	}
	if conf.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: conf}
	return d.DialContext(ctx, network, address)
}

// load reads the files. The pair of certificate and key is read again at each
// handshake.
func (f tlsFiles) load() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		pool, err := f.authorities()
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	if f.cert == "" {
		return c, nil
	}
	if _, err := tls.LoadX509KeyPair(f.cert, f.key); err != nil {
		return nil, fmt.Errorf("cert-file %s with key-file %s: %w", f.cert, f.key, err)
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		return &pair, err
	}
	return c, nil
}

// authorities are those in the CA file.
func (f tlsFiles) authorities() (*x509.CertPool, error) {
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca-file %s holds no certificate: give a PEM file", f.ca)
	}
	return pool, nil
}

// secret returns what is in the file if one is named, without the newline that
// editors leave behind, else the value.
func secret(value, file string) (string, error) {
	if file == "" {
		return value, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
