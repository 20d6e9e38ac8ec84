package stream

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// mechanism reduces the spellings in use (scram-sha512, scram_sha512,
// SCRAM-SHA-512, ...) to one.
func mechanism(s string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
}

func (c *KafkaConfig) checkSASL() error {
	switch mechanism(c.Mechanism) {
	case "":
		if c.User != "" || c.Password != "" || c.PasswordFile != "" {
			return fmt.Errorf("sasl is empty but a user or password is given: name the mechanism, such as SCRAM-SHA-512")
		}
		return nil
	case "plain", "scramsha256", "scramsha512":
		if c.User == "" {
			return fmt.Errorf("user is empty: sasl %s needs one", c.Mechanism)
		}
	case "oauthbearer":
	default:
		return fmt.Errorf("sasl %q: want PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", c.Mechanism)
	}
	switch {
	case c.Password == "" && c.PasswordFile == "":
		return fmt.Errorf("password is empty: sasl %s needs password-file or password", c.Mechanism)
	case c.Password != "" && c.PasswordFile != "":
		return fmt.Errorf("password and password-file are both given: leave one out")
	}
	return nil
}

// sasl asks for the secret at each connection, so that a rotated one needs no restart.
func (c KafkaConfig) sasl() (sasl.Mechanism, error) {
	pass := func() (string, error) {
		p, err := secret(c.Password, c.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("password-file: %w", err)
		}
		return p, nil
	}
	if _, err := pass(); err != nil {
		return nil, err
	}
	login := func(context.Context) (scram.Auth, error) {
		p, err := pass()
		return scram.Auth{User: c.User, Pass: p}, err
	}
	switch mechanism(c.Mechanism) {
	case "scramsha256":
		return scram.Sha256(login), nil
	case "scramsha512":
		return scram.Sha512(login), nil
	case "oauthbearer":
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			p, err := pass()
			return oauth.Auth{Token: p}, err
		}), nil
	}
	return plain.Plain(func(context.Context) (plain.Auth, error) {
		p, err := pass()
		return plain.Auth{User: c.User, Pass: p}, err
	}), nil
}
