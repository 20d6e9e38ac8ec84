package output

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

// Entry is one output of the file:
//
//   - name: soc
//     to: tls://siem.example.org:6514
//     format: cef
//     min-severity: medium
//
// Where it goes says what it is: tcp:// and tls:// are syslog (RFC 5424, lengths before lines as in
// RFC 6587), http:// and https:// a webhook, an absolute path a file of JSON lines.
type Entry struct {
	// wide: it is what an operator writes.
	Name     string
	To       string
	Format   siem.Format
	Template string `enum:",slack,teams" default:""` // of a webhook: a message for people instead of documents

	CAFile     string // that signed the receiver's certificate
	CertFile   string // of ours
	KeyFile    string
	SecretFile string // key of a webhook's signature
	TokenFile  string // sent by a webhook as a bearer token

	MaxBytes int   // of a document
	MaxSize  int64 // of a file, before it is set aside
	MaxFiles int   // set aside

	MinSeverity  string `enum:",low,medium,high,critical" default:""`
	Kinds        []string
	States       []string
	Sources      []netip.Prefix
	Sites        []string
	Assets       []string      // names of the assets file, or * for any
	UpdatesEvery time.Duration // of one alert, unless its severity rose
	Digest       time.Duration // scans of low severity from outside are told together, once in so long
	PerMinute    int           // documents at most; more are held back and counted
	DeadLetters  string        // file for what the receiver will never take
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// Read reads the text of an outputs file. Its error has a line for each mistake.
func Read(text []byte) ([]Entry, error) {
	var e Entry
	var all []Entry
	values := settings.ValuesOf(&e)
	lines := map[string]int{}
	file := yamlfile.Parse(text)
	for entry := range file.Entries("a list of outputs, each with name and to") {
		e = Entry{}
		if !entry.Fill(values) {
			continue
		}
		if err := e.complete(); err != nil {
			entry.Wrong("%v", err)
			continue
		}
		if first, twice := lines[e.Name]; twice {
			entry.Wrong("the name %s stands in line %d already; it names the consumer group", e.Name, first)
			continue
		}
		lines[e.Name] = entry.Line
		all = append(all, e)
	}
	return all, file.Err()
}

// complete checks an entry and fills in what it leaves open.
func (e *Entry) complete() error {
	to, err := url.Parse(e.To)
	switch {
	case !nameForm.MatchString(e.Name):
		return fmt.Errorf("name %q: give up to 40 small letters, digits and dashes", e.Name)
	case e.To == "":
		return errors.New("to is missing: give a path, tcp://HOST:PORT, tls://HOST:PORT or https://HOST/PATH")
	case err != nil:
		return fmt.Errorf("to: %w", err)
	}
	usual := siem.ECS
	switch to.Scheme {
	case "":
		if !strings.HasPrefix(e.To, "/") {
			return fmt.Errorf("to %s: give an absolute path, tcp://HOST:PORT, tls://HOST:PORT or https://HOST/PATH", e.To)
		}
	case "tcp", "tls":
		usual = siem.CEF
		if to.Port() == "" {
			return fmt.Errorf("to %s: the port is missing, mostly 601 for tcp and 6514 for tls", e.To)
		}
	case "http", "https":
	default:
		return fmt.Errorf("to %s: %s is not known here; give a path, tcp, tls, http or https", e.To, to.Scheme)
	}
	web := to.Scheme == "http" || to.Scheme == "https"
	switch {
	case !web && (e.Template != "" || e.SecretFile != "" || e.TokenFile != ""):
		return errors.New("template, secret-file and token-file are for a webhook")
	case to.Scheme != "" && (e.MaxSize != 0 || e.MaxFiles != 0):
		return errors.New("max-size and max-files are for a file")
	case (e.CertFile == "") != (e.KeyFile == ""):
		return errors.New("cert-file and key-file belong together: give both, or neither")
	case e.PerMinute < 0, e.MaxFiles < 0, e.UpdatesEvery < 0:
		return errors.New("per-minute, max-files and updates-every cannot be less than 0")
	}
	if err := known("kinds", e.Kinds, schema.Vertical, schema.Horizontal, schema.Block, schema.Mixed, schema.Sweep, schema.Protocols); err != nil {
		return err
	}
	if err := known("states", e.States, schema.Open, schema.Update, schema.Close); err != nil {
		return err
	}
	e.fill(usual)
	if e.Digest != 0 && e.Digest < time.Minute || e.Digest > 24*time.Hour {
		return fmt.Errorf("digest %v: give 1m to 24h", e.Digest)
	}
	if e.Digest != 0 && e.Template == "" && !e.Format.HasDigest() {
		return fmt.Errorf("digest: it has no form in %s; give another format, or a template", e.Format)
	}
	return nil
}

func (e *Entry) fill(usual siem.Format) {
	if e.Format == "" {
		e.Format = usual
	}
	if e.MaxBytes == 0 {
		e.MaxBytes = 256 << 10
	}
	if e.MaxSize == 0 {
		e.MaxSize = 100 << 20
	}
	if e.MaxFiles == 0 {
		e.MaxFiles = 5
	}
}

// known says which of the words that stand in a list is none of those there are.
func known[T ~string](what string, list []string, all ...T) error {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = string(a)
	}
	for _, w := range list {
		if !slices.Contains(names, w) {
			return fmt.Errorf("%s: %s is not known here; %s", what, w, yamlfile.Instead(w, names))
		}
	}
	return nil
}
