package flowfile

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// nfdump's text (-o line, long, extended, biline, bilong, and any fmt:) has
// columns with blanks between, or what stands in the format. The header names the
// columns, but not what stands between them, and some names are of several words;
// its values have blanks, too: a date, and counts such as 1.2 M. So a line is cut
// at the marks between columns if it has some, then at blanks, and what belongs
// together is put together again (see nfdumpcells.go).
//
// Without a header (-q) the formats that have a name are known by the number of
// their columns and the arrow; another one must be told (see Reader.Format).

// nfdumpFormats are the formats that have a name, of 1.6 and 1.7.
func nfdumpFormats() map[string]string {
	return map[string]string{
		"line":     "%ts %td %pr %sap -> %dap %pkt %byt %fl",
		"long":     "%ts %td %pr %sap -> %dap %flg %tos %pkt %byt %fl",
		"extended": "%ts %td %pr %sap -> %dap %flg %tos %pkt %byt %pps %bps %bpp %fl",
		"biline":   "%ts %td %pr %sap <-> %dap %opkt %ipkt %obyt %ibyt %fl",
		"bilong":   "%ts %td %pr %sap <-> %dap %flg %tos %opkt %ipkt %obyt %ibyt %fl",
	}
}

// nfdumpAsked is the format that was asked for in older releases' words.
const nfdumpAsked = "%ts,%sa,%sp,%da,%dp,%byt,%pkt,%out,%pr,%flg"

// nfdumpFmtTable is nfdump's table, of which nothing must be there, and what only
// its text has.
func nfdumpFmtTable() table[nfdumpRow] {
	type row = nfdumpRow
	t := nfdumpTable()
	for i := range t {
		t[i].must = false
	}
	return append(t, table[row]{
		{"sap gsap", false, func(r *row, text []byte) (err error) {
			r.Src.Addr, r.sport, err = cutPort(text)
			return err
		}},
		{"dap gdap", false, func(r *row, text []byte) (err error) {
			r.Dst.Addr, r.dport, err = cutPort(text)
			return err
		}},
		{"gsa", false, into(func(r *row) *netip.Addr { return &r.Src.Addr }, parsePlaced)},
		{"gda", false, into(func(r *row) *netip.Addr { return &r.Dst.Addr }, parsePlaced)},
		{"tfs tsr tsg", false, into(func(r *row) *schema.Time { return &r.Start }, parseTime)},
		{"ter teg", false, into(func(r *row) *schema.Time { return &r.End }, parseTime)},
		{"tds", false, into(func(r *row) *[]byte { return &r.duration }, asText)},
		{"it", false, into(func(r *row) *uint8 { return &r.ICMPType }, parseNumber[uint8])},
		{"ic", false, into(func(r *row) *uint8 { return &r.ICMPCode }, parseNumber[uint8])},
	}...)
}

// planOf is the plan of a format, as nfdump is given it: fmt:%ts %sa -> %da, or a
// name.
func planOf(t table[nfdumpRow], format string) (p plan[nfdumpRow], err error) {
	if of, ok := nfdumpFormats()[format]; ok {
		format = of
	}
	var names []string
	for _, part := range strings.Split(strings.TrimPrefix(format, "fmt:"), "%")[1:] {
		end := strings.IndexFunc(part, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
		if end < 0 {
			end = len(part)
		}
		names = append(names, part[:end])
	}
	if len(names) == 0 {
		return p, fmt.Errorf("%q is no format of nfdump's: give line, long, extended, biline, bilong, or what stands behind nfdump's -o, such as 'fmt:%%ts %%sap -> %%dap %%pr %%flg %%pkt %%byt'", format)
	}
	return planNames(t, names)
}

var errFewColumns = errors.New("of nfdump's text a time (%ts or %te) and both addresses (%sa or %sap, %da or %dap) are needed")

// planNames is the plan of columns by the names that nfdump's formats have for them.
func planNames(t table[nfdumpRow], names []string) (p plan[nfdumpRow], err error) {
	if len(names) > maxColumns {
		return p, errFewColumns
	}
	p, _ = t.plan([]byte(strings.Join(names, ",")), ',')
	has := func(any string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(strings.Fields(any), n) })
	}
	if !has("ts tfs tsr tsg te ter teg") || !has("sa sap gsa gsap") || !has("da dap gda gdap") {
		return p, errFewColumns
	}
	return p, nil
}

// isNfdumpFmt knows the header, what may stand before it, or a first line without one.
func isNfdumpFmt(line []byte) bool {
	if len(nfdumpHeader(line)) > 0 || isNfdumpRemark(trimSpaces(line)) {
		return true
	}
	_, ok := planBare(nfdumpFmtTable(), line)
	return ok
}

// planBare is the plan of a line without a header before it.
func planBare(t table[nfdumpRow], line []byte) (plan[nfdumpRow], bool) {
	text := trimSpaces(line)
	if len(text) < len("2006-01-02") || text[4] != '-' {
		return plan[nfdumpRow]{}, false
	}
	var cells cells
	cells.cut(line)
	arrow := "->"
	if cells.both {
		arrow = "<->"
	}
	formats := []string{nfdumpAsked}
	if cells.arrow {
		formats = nil
		for _, f := range nfdumpFormats() {
			if strings.Contains(f, " "+arrow+" ") {
				formats = append(formats, f)
			}
		}
	}
	for _, f := range formats {
		p, err := planOf(t, f)
		if err != nil {
			panic("BUG: a format of our own: " + err.Error())
		}
		if f == nfdumpAsked {
			p.optional = 1 // %flg
		}
		if n := len(cells.all); n > len(p.columns) || n < len(p.columns)-p.optional {
			continue
		}
		lenient := plan[nfdumpRow]{columns: slices.Clone(p.columns), optional: p.optional}
		for i := range lenient.columns { // addresses may be cut short
			if name := lenient.columns[i].name; name != "ts" && name != "pr" && name != "flg" {
				lenient.columns[i].set = nil
			}
		}
		if lenient.readCells(cells.all, &nfdumpRow{Flow: new(schema.Flow)}) == nil {
			return p, true
		}
	}
	return plan[nfdumpRow]{}, false
}

func readNfdumpFmt(r *Reader, in *input, give func([]schema.Flow) bool) error {
	n := fmtLines{table: nfdumpFmtTable()}
	if r.format != "" {
		var err error
		if n.plan, err = planOf(n.table, r.format); err != nil {
			return fmt.Errorf("read %s: %w", in.name, err)
		}
	}
	return readLines(r, in, give, n.parse)
}

// fmtLines reads line after line; it knows what stands between the flows.
type fmtLines struct {
	table table[nfdumpRow]
	plan  plan[nfdumpRow]
	row   nfdumpRow // kept, because a new one for each line would be an allocation
	cells cells
	why   error // for which no line can be read
}

func (n *fmtLines) parse(line []byte, f *schema.Flow) (lineKind, error) {
	text := trimSpaces(line)
	if isName(text) {
		if names := nfdumpHeader(line); len(names) > 0 {
			p, err := planNames(n.table, names)
			if n.plan, n.why = p, err; err != nil {
				n.plan = plan[nfdumpRow]{}
			}
			return aHeader, err
		}
		if isNfdumpRemark(text) {
			return aHeader, nil
		}
	}
	if n.why != nil {
		return aFlow, n.why
	}
	if n.plan.columns == nil {
		var ok bool
		if n.plan, ok = planBare(n.table, line); !ok {
			return aFlow, errUnnamed
		}
	}
	*f = nothingTold()
	n.row = nfdumpRow{Flow: f}
	n.cells.cut(line)
	n.cells.without(len(n.plan.columns))
	if err := n.plan.readCells(n.cells.all, &n.row); err != nil {
		return aFlow, err
	}
	return aFlow, n.row.finish()
}

var errUnnamed = errors.New("stands before any header that names the columns (nfdump -q prints none): give --format the words behind nfdump's -o")
