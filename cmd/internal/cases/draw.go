package cases

import (
	"fmt"
	"io"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// A drawing has 64 columns and 16 rows, so each place of it stands for 64 numbers: 4 beside each
// other of 16 rows of the 256 x 256.
const (
	columns, rows = 64, 16
	perColumn     = 256 / columns
	perRow        = 256 / rows
)

// shades are what a place looks like: none, up to a quarter, a half, three quarters, all of it.
var shades = []rune(" ░▒▓█")

// Draw writes a footprint as a map that fits a terminal.
func Draw(w io.Writer, f *schema.Footprint) {
	var places [rows][columns]int
	for i := range f.All() {
		places[int(i)>>8/perRow][int(i)&255/perColumn]++
	}
	partial := ""
	if f.Partial {
		partial = ", and some that are missing here"
	}
	fmt.Fprintf(w, "%s: %d%s; a place is %s\n", heading(f), f.Count, partial, unit(f))
	fmt.Fprintf(w, "%11s ┌%s┐\n", "", line('─'))
	for r := range rows {
		fmt.Fprintf(w, "%11s │", label(f, r*perRow<<8))
		for _, n := range places[r] {
			fmt.Fprintf(w, "%c", shades[(n*4+perColumn*perRow-1)/(perColumn*perRow)])
		}
		fmt.Fprintln(w, "│")
	}
	fmt.Fprintf(w, "%11s └%s┘\n", "", line('─'))
}

func line(r rune) string {
	s := make([]rune, columns)
	for i := range s {
		s[i] = r
	}
	return string(s)
}

func heading(f *schema.Footprint) string {
	switch f.Of {
	case schema.FootprintPorts:
		if f.Prefix.Bits() == 0 {
			return f.Proto + " ports of all hosts"
		}
		return fmt.Sprintf("%s ports of %s", f.Proto, f.Prefix.Addr())
	case schema.FootprintProtocols:
		return "IP protocols of " + f.Prefix.String()
	case schema.FootprintAddresses:
		return "addresses of " + f.Prefix.String()
	default:
		return "networks of " + f.Prefix.String()
	}
}

func unit(f *schema.Footprint) string {
	switch f.Of {
	case schema.FootprintPorts:
		return "64 ports"
	case schema.FootprintProtocols:
		return "64 numbers"
	case schema.FootprintAddresses:
		return "64 addresses, a row 16 networks /24"
	default:
		return "64 networks"
	}
}

// label is what a row begins with.
func label(f *schema.Footprint, i int) string {
	switch f.Of {
	case schema.FootprintAddresses:
		a := f.Prefix.Addr().As4()
		a[2] = byte(i >> 8)
		return netip.AddrFrom4(a).String()
	case schema.FootprintNetworks:
		return f.Network(uint16(i)).Addr().String()
	default:
		return fmt.Sprint(i)
	}
}
