package place

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/scanhound/scanhound/cmd/internal/reload"
	"github.com/scanhound/scanhound/schema"
)

// Config names the files; without them nothing is known.
type Config struct {
	CountryDB string `name:"country-db" placeholder:"FILE" help:"MaxMind database of countries (GeoLite2-Country.mmdb or the like); read again when it changes."`
	ASDB      string `name:"as-db" placeholder:"FILE" help:"MaxMind database of autonomous systems (GeoLite2-ASN.mmdb or the like); read again when it changes."`
	Networks  string `placeholder:"FILE" help:"YAML file of networks that are ours, each with prefix, site, and internal (true unless said otherwise); read again when it changes."`
}

// Book is what is known of addresses. Its Run reads changed files again.
type Book struct {
	*reload.Files
	country  atomic.Pointer[maxminddb.Reader]
	as       atomic.Pointer[maxminddb.Reader]
	networks atomic.Pointer[networks]
}

// Open reads all files that cfg names.
func Open(cfg Config, log *slog.Logger) (*Book, error) {
	b := &Book{Files: reload.New(log)}
	b.networks.Store(new(networks))
	return b, errors.Join(
		b.Add("country-db", cfg.CountryDB, database(&b.country)),
		b.Add("as-db", cfg.ASDB, database(&b.as)),
		b.Add("networks", cfg.Networks, func(text []byte) error {
			n, err := readNetworks(text)
			if err == nil {
				b.networks.Store(n)
			}
			return err
		}),
	)
}

// database takes a MaxMind database. It is held in memory and not mapped: a file
// that is overwritten in place would pull the ground from under a mapping.
func database(to *atomic.Pointer[maxminddb.Reader]) func([]byte) error {
	return func(content []byte) error {
		db, err := maxminddb.OpenBytes(content)
		if err == nil {
			to.Store(db)
		}
		return err
	}
}

// Located says whether there is a database at all.
func (b *Book) Located() bool { return b.country.Load() != nil || b.as.Load() != nil }

// Where is what is known of one address.
type Where struct {
	Country schema.Country
	AS      uint32
}

// Look returns what the databases say of a.
func (b *Book) Look(a netip.Addr) (w Where) {
	if db := b.country.Load(); db != nil {
		var code string
		r := db.Lookup(a)
		if r.DecodePath(&code, "country", "iso_code") != nil || code == "" {
			// Where an anycast or satellite network has no country, where it is registered.
			_ = r.DecodePath(&code, "registered_country", "iso_code")
		}
		w.Country = schema.CountryOf(code)
	}
	if db := b.as.Load(); db != nil {
		_ = db.Lookup(a).DecodePath(&w.AS, "autonomous_system_number") // not found leaves zero
	}
	return w
}

// asName is whose autonomous system a is in, or "".
func (b *Book) asName(a netip.Addr) (name string) {
	if db := b.as.Load(); db != nil {
		_ = db.Lookup(a).DecodePath(&name, "autonomous_system_organization")
	}
	return name
}

// countryOf is that of all these addresses, or "".
func (b *Book) countryOf(all []netip.Addr) (one string) {
	for i, a := range all {
		is := b.Look(a).Country.String()
		if i > 0 && is != one || is == "" {
			return ""
		}
		one = is
	}
	return one
}

// Site returns the name of the most specific network that holds a, or "".
func (b *Book) Site(a netip.Addr) string { return b.networks.Load().find(a).Site }

// Locate says where on Earth and in which network an alert's source is, and the
// site: of the source, else of the first target that has one.
func (b *Book) Locate(a *schema.Alert) {
	if b.Located() {
		where := b.Look(a.Source)
		a.Country, a.AS, a.ASName = where.Country.String(), where.AS, b.asName(a.Source)
		a.ToCountry = b.countryOf(a.Targets)
	}
	a.Site = b.Site(a.Source)
	for i := 0; a.Site == "" && i < len(a.Targets); i++ {
		a.Site = b.Site(a.Targets[i])
	}
}

// Internal returns the prefixes that are ours.
func (b *Book) Internal() []netip.Prefix { return b.networks.Load().internal }
