// Package orientation is the settings by which programs decide who started a flow.
// The decision itself is made in detect/orient.
package orientation

import "github.com/scanhound/scanhound/detect/orient"

// Config says how it is decided who started a flow.
type Config struct {
	Services []uint16 `default:"20,21,25,53,80,123,137,138,389,443,1900,1984,3389,5355" help:"Ports from which a record more likely answers than asks, where nothing else tells."`
}

// conversations are those that are remembered to find a record's reverse: the two
// often come in neighbouring datagrams. With a quarter as many pairs of hosts, 40 bytes each.
const conversations = 1 << 16

// Pairing returns what turns flows round by these settings, for one goroutine.
func (c *Config) Pairing() *orient.Pairing { return orient.NewPairing(conversations, c.Services) }

// Learner returns what proposes other services than these, for one goroutine.
func (c *Config) Learner() *orient.Learner { return orient.NewLearner(c.Services) }
