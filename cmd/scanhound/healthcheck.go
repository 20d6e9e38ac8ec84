package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/service"
)

// healthcheck asks the admin port of a program: as the probe of a container without a shell.
type healthcheck struct {
	Admin   netip.AddrPort `default:"${admin}" help:"Admin address of the program, as the program itself is given it; where it listens on all, loopback is asked."`
	Live    bool           `help:"Ask whether it lives instead of whether it is ready."`
	Timeout time.Duration  `name:"healthcheck-timeout" default:"3s" help:"How long it may take to answer."`
}

// Validate says what is wrong and what to write instead.
func (c *healthcheck) Validate() error {
	switch {
	case !c.Admin.IsValid():
		return fmt.Errorf("admin is empty: give ADDRESS:PORT, such as 127.0.0.1:9101")
	case c.Timeout <= 0:
		return fmt.Errorf("healthcheck-timeout %v: give more than 0s", c.Timeout)
	}
	return nil
}

// Run asks once.
func (c *healthcheck) Run(ctx context.Context, s *service.Service) error {
	ctx, stop := context.WithTimeout(ctx, c.Timeout)
	defer stop()
	host, page := c.Admin.Addr().String(), "readyz"
	if c.Admin.Addr().IsUnspecified() {
		host = "localhost"
	}
	if c.Live {
		page = "livez"
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(int(c.Admin.Port()))) + "/" + page
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// A proxy of the environment has no way to this machine.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
	}
	_, err = s.Stdout.Write(text)
	return err
}
