package rules

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// asset is one entry of the assets file:
//
//   - name: billing
//     prefixes: [10.1.2.0/24, 10.1.9.7/32]
//     owner: payments@example.org
//     role: database
//     criticality: high
//     scanners: [10.9.0.5/32]
type asset struct {
	Name        string
	Prefixes    []netip.Prefix
	Owner       string
	Role        string
	Criticality string
	Scanners    []netip.Prefix
}

var assetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// maxWords is how long an owner or a role may be, in bytes: alerts carry them.
const maxWords = 200

// ReadAssets reads the text of an assets file. Its error has a line for each mistake.
func ReadAssets(text []byte) ([]detect.Asset, error) {
	var e asset
	var all []detect.Asset
	values := settings.ValuesOf(&e)
	names, nets := map[string]int{}, map[netip.Prefix]int{}
	file := yamlfile.Parse(text)
	for entry := range file.Entries("a list of entries, each with name and prefixes") {
		e = asset{Criticality: string(schema.Medium)}
		if !entry.Fill(values) {
			continue
		}
		wrong := e.mistakes()
		if first, twice := names[e.Name]; twice {
			wrong = append(wrong, fmt.Sprintf("the name %s stands in line %d already", e.Name, first))
		}
		for i, p := range e.Prefixes {
			e.Prefixes[i] = p.Masked()
			if first, twice := nets[p.Masked()]; twice {
				wrong = append(wrong, fmt.Sprintf("%s is of the asset in line %d already", p.Masked(), first))
			}
			nets[p.Masked()] = entry.Line
		}
		for _, text := range wrong {
			entry.Wrong("%s", text)
		}
		names[e.Name] = entry.Line
		all = append(all, detect.Asset{
			Name: e.Name, Prefixes: e.Prefixes, Owner: e.Owner, Role: e.Role, Criticality: schema.Severity(e.Criticality), Scanners: e.Scanners,
		})
	}
	if err := file.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

func (e *asset) mistakes() (all []string) {
	if len(e.Name) > detect.MaxAssetName || !assetName.MatchString(e.Name) {
		all = append(all, fmt.Sprintf("name %q: give up to %d letters, digits, dots, dashes and underscores", e.Name, detect.MaxAssetName))
	}
	if len(e.Prefixes) == 0 {
		all = append(all, "prefixes are missing: give hosts or networks such as 10.1.2.0/24")
	}
	if len(e.Owner) > maxWords || len(e.Role) > maxWords {
		all = append(all, fmt.Sprintf("owner and role: give at most %d bytes each", maxWords))
	}
	if len(e.Scanners) > 0 && e.Owner == "" {
		all = append(all, "owner is missing: say who answers for its scanners")
	}
	known := []string{string(schema.Low), string(schema.Medium), string(schema.High), string(schema.Critical)}
	if !slices.Contains(known, e.Criticality) {
		all = append(all, fmt.Sprintf("criticality: %s is not known here; %s", e.Criticality, yamlfile.Instead(e.Criticality, known)))
	}
	return all
}

// Known is what the exceptions file and the assets file say together: assets bring exceptions for
// their scanners, and owners for the exceptions that name none. Texts may be taken, and what is in
// force read, from any goroutine.
type Known struct {
	mu         sync.Mutex
	assets     []detect.Asset
	exceptions []byte
	force      atomic.Pointer[Lists]
}

// Lists are what is in force of both files. They are never changed.
type Lists struct {
	Exceptions []detect.Exception // of the file, then those of assets' scanners
	Assets     []detect.Asset
}

// InForce returns what is in force.
func (k *Known) InForce() *Lists {
	k.force.CompareAndSwap(nil, new(Lists))
	return k.force.Load()
}

// TakeAssets puts the text of an assets file in force. Where it is wrong, or an exception would lose its
// owner, nothing changes.
func (k *Known) TakeAssets(text []byte) error {
	assets, err := ReadAssets(text)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.settle(k.exceptions, assets)
}

// TakeExceptions puts the text of an exceptions file in force. Where it is wrong nothing changes.
func (k *Known) TakeExceptions(text []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.settle(text, k.assets)
}

func (k *Known) settle(text []byte, assets []detect.Asset) error {
	var list []detect.Exception
	if text != nil {
		var err error
		if list, err = ReadExceptions(text, assets); err != nil {
			return err
		}
	}
	for i := range assets {
		if e, ok := assets[i].Expected(); ok {
			list = append(list, e)
		}
	}
	k.assets, k.exceptions = assets, text
	k.force.Store(&Lists{list, assets})
	return nil
}

// ownerOf is who answers for the asset in which all of some targets lie; "" if there is none.
func ownerOf(targets []netip.Prefix, assets []detect.Asset) string {
	for i := range assets {
		inside := func(t netip.Prefix) bool {
			return slices.ContainsFunc(assets[i].Prefixes, func(p netip.Prefix) bool { return p.Bits() <= t.Bits() && p.Contains(t.Addr()) })
		}
		if len(targets) > 0 && !slices.ContainsFunc(targets, func(t netip.Prefix) bool { return !inside(t) }) {
			return assets[i].Owner
		}
	}
	return ""
}
