package stream

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// tlsFiles are the certificates of one connection, by the names of their files.
type tlsFiles struct{ ca, cert, key string }

func (f tlsFiles) given() bool { return f.ca != "" || f.cert != "" || f.key != "" }

func (f tlsFiles) check() error {
	if (f.cert == "") != (f.key == "") {
		return fmt.Errorf("cert-file and key-file belong together: give both, or neither")
	}
	return nil
}

// load reads the files. The pair of certificate and key is read again at each
// handshake, so that a rotated one needs no restart.
func (f tlsFiles) load() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("ca-file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca-file %s holds no certificate: give a PEM file", f.ca)
		}
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
