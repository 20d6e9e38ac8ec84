package place

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/scanhound/scanhound/schema"
)

// Config names the files; without them nothing is known.
type Config struct {
	CountryDB string `name:"country-db" placeholder:"FILE" help:"MaxMind database of countries (GeoLite2-Country.mmdb or the like); read again when it changes."`
	ASDB      string `name:"as-db" placeholder:"FILE" help:"MaxMind database of autonomous systems (GeoLite2-ASN.mmdb or the like); read again when it changes."`
	Networks  string `placeholder:"FILE" help:"YAML file of networks that are ours, each with prefix, site, and internal (true unless said otherwise); read again when it changes."`
}

// Book is what is known of addresses.
type Book struct {
	log      *slog.Logger
	files    []*file
	country  atomic.Pointer[maxminddb.Reader]
	as       atomic.Pointer[maxminddb.Reader]
	networks atomic.Pointer[networks]
	edition  atomic.Uint64 // moves on when a file was read
	broken   atomic.Uint64
}

// file is one of the files, as it was when it was last read.
type file struct {
	setting string
	path    string
	changed time.Time
	size    int64
	take    func([]byte) error
}

// Open reads all files that cfg names.
func Open(cfg Config, log *slog.Logger) (*Book, error) {
	b := &Book{log: log}
	b.networks.Store(new(networks))
	b.add("country-db", cfg.CountryDB, database(&b.country))
	b.add("as-db", cfg.ASDB, database(&b.as))
	b.add("networks", cfg.Networks, func(text []byte) error {
		n, err := readNetworks(text)
		if err == nil {
			b.networks.Store(n)
		}
		return err
	})
	var wrong []error
	for _, f := range b.files {
		if err := b.read(f); err != nil {
			wrong = append(wrong, err)
		}
	}
	return b, errors.Join(wrong...)
}

func (b *Book) add(setting, path string, take func([]byte) error) {
	if path != "" {
		b.files = append(b.files, &file{setting: setting, path: path, take: take})
	}
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

func (b *Book) read(f *file) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.setting, err)
	}
	content, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.setting, err)
	}
	f.changed, f.size = info.ModTime(), info.Size()
	if err := f.take(content); err != nil {
		return fmt.Errorf("%s: read %s: %w", f.setting, f.path, err)
	}
	b.edition.Add(1)
	return nil
}

// lookEvery is how often the files are looked at.
const lookEvery = 5 * time.Second

// Run reads files again when they change, until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			b.Refresh()
		}
	}
}

// Refresh looks at the files now. It belongs to the goroutine of Run.
func (b *Book) Refresh() {
	for _, f := range b.files {
		info, err := os.Stat(f.path)
		if err == nil && info.ModTime().Equal(f.changed) && info.Size() == f.size {
			continue
		}
		if err := b.read(f); err != nil {
			b.broken.Add(1)
			b.log.Error("a changed file cannot be used; what it said before stays in force", "error", err)
			continue
		}
		b.log.Info("file read again", "setting", f.setting, "path", f.path)
	}
}

// Edition moves on whenever a file was read.
func (b *Book) Edition() uint64 { return b.edition.Load() }

// Broken is how often a changed file could not be used.
func (b *Book) Broken() uint64 { return b.broken.Load() }

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

// Site returns the name of the most specific network that holds a, or "".
func (b *Book) Site(a netip.Addr) string { return b.networks.Load().find(a).Site }

// Internal returns the prefixes that are ours.
func (b *Book) Internal() []netip.Prefix { return b.networks.Load().internal }
