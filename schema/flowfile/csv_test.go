package flowfile

import (
	"strings"
	"testing"
)

type csvRow struct{ a, b string }

func csvTable() table[csvRow] {
	text := func(b []byte) (string, error) { return string(b), nil }
	return table[csvRow]{
		{"a alpha", true, into(func(r *csvRow) *string { return &r.a }, text)},
		{"b", false, into(func(r *csvRow) *string { return &r.b }, text)},
	}
}

func TestAPlanFollowsTheHeader(t *testing.T) {
	for name, c := range map[string]struct{ header, line, a, b string }{
		"in order":           {"a,b", "1,2", "1", "2"},
		"in another":         {"b,x,a", "1,2,3", "3", "1"},
		"another name":       {"Alpha, B ", " 1 , 2 ", "1", "2"},
		"quoted":             {`"A","b"`, `"1","2"`, "1", "2"},
		"a comma in quotes":  {"a,b", `"1,2",3`, "1,2", "3"},
		"quotes in the last": {"a,b", `1,"2,3"`, "1", "2,3"},
		"no quotes at all":   {"a,b", `"1,2`, `"1`, "2"},
		"the first counts":   {"a,alpha,b", "1,2,3", "1", "3"},
		"nothing":            {"a,b", ",", "", ""},
		"one column":         {"a", "1", "1", ""},
	} {
		p, ok := csvTable().plan([]byte(c.header), ',')
		var row csvRow
		err := p.read([]byte(c.line), &row)
		if !ok || err != nil || row != (csvRow{c.a, c.b}) {
			t.Errorf("%s: %v, %v, %q", name, ok, err, row)
		}
	}
	for _, header := range []string{"b", "", "a" + strings.Repeat(",x", maxColumns)} {
		if _, ok := csvTable().plan([]byte(header), ','); ok {
			t.Errorf("%.20q is a header", header)
		}
	}
	p, _ := csvTable().plan([]byte("a,b"), ',')
	for line, want := range map[string]string{"1": "has 1 columns where the header has 2", "1,2,3": "has 3 columns where the header has 2"} {
		if err := p.read([]byte(line), new(csvRow)); err == nil || err.Error() != want {
			t.Errorf("%q: %v", line, err)
		}
	}
	p.optional = 1
	if err := p.read([]byte("1"), new(csvRow)); err != nil {
		t.Error(err)
	}
}
