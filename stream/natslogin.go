package stream

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// login returns how the connection says who it is. Every file is read again at each
// attempt to connect, so that a login which was rotated, or mended, needs no restart.
func (n *NATS) login() ([]nats.Option, error) {
	c := n.cfg
	var opts []nats.Option
	if files := (tlsFiles{c.CAFile, c.CertFile, c.KeyFile}); files.given() {
		conf, err := files.load()
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Secure(conf))
		if files.ca != "" {
			opts = append(opts, func(o *nats.Options) error {
				o.RootCAsCB = files.authorities
				return nil
			})
		}
	}
	switch {
	case c.CredentialsFile != "":
		opts = append(opts, nats.UserCredentials(c.CredentialsFile))
	case c.NKeyFile != "":
		o, err := n.nkey(c.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("nkey-file: %w", err)
		}
		opts = append(opts, o...)
	case c.User != "":
		if _, err := secret(c.Password, c.PasswordFile); err != nil {
			return nil, fmt.Errorf("password-file: %w", err)
		}
		opts = append(opts, nats.UserInfoHandler(func() (string, string) {
			p, err := secret(c.Password, c.PasswordFile)
			if err != nil {
				n.log.Error("read the NATS password", "error", err)
			}
			return c.User, p
		}))
	}
	return opts, nil
}

// nkey logs in with the seed in file. The library asks for a signature each time, but keeps
// the public key of the start. A new one is put into its options while it waits to connect
// again: it calls back from the goroutine that reads them next.
func (n *NATS) nkey(file string) ([]nats.Option, error) {
	if _, err := publicKey(file); err != nil {
		return nil, err
	}
	o, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		return nil, err
	}
	again := func(int) time.Duration {
		key, err := publicKey(file)
		if err != nil {
			n.log.Error("read the NATS key", "error", err)
		} else {
			<-n.dialed
			n.nc.Opts.Nkey = key
		}
		return reconnectWait + rand.N(reconnectWait/5)
	}
	return []nats.Option{o, nats.CustomReconnectDelay(again)}, nil
}

func publicKey(file string) (string, error) {
	seed, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	pair, err := nkeys.ParseDecoratedUserNKey(seed)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	defer pair.Wipe()
	return pair.PublicKey()
}
