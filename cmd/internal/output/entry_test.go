package output

import (
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema/siem"
)

func TestAnOutputsFileSaysAllThatIsWrongWithIt(t *testing.T) {
	_, err := Read([]byte(`
- name: Big Name
  to: /var/log/x
- name: a
- name: b
  to: relative/path
- name: c
  to: tls://siem
- name: d
  to: gopher://x:1
- name: e
  to: /x
  formt: ecs
- name: f
  to: /x
  format: leef
- name: g
  to: tcp://x:1
  template: slack
- name: h
  to: https://x/
  kinds: [vertcal]
- name: i
  to: /x
  min-severity: huge
- name: j
  to: /x
- name: j
  to: /y
`))
	if err == nil {
		t.Fatal("no mistake")
	}
	for _, want := range []string{
		`line 2: entry 1: name "Big Name": give up to 40 small letters`,
		"line 4: entry 2: to is missing", "line 5: entry 3: to relative/path: give an absolute path",
		"line 7: entry 4: to tls://siem: the port is missing", "line 9: entry 5: to gopher://x:1: gopher is not known here",
		"line 13: entry 6: formt is not known here; did you mean format?", `line 16: entry 7:`, "native, ecs, ocsf, cef, cee",
		"line 17: entry 8: template, secret-file and token-file are for a webhook", "line 20: entry 9: kinds: vertcal is not known here; did you mean vertical?",
		"line 25: entry 10:", "line 28: entry 12: the name j stands in line 26 already",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not said: %s\n%v", want, err)
		}
	}
}

func TestWhatAnEntryLeavesOpenIsFilledIn(t *testing.T) {
	all, err := Read([]byte("- {name: a, to: /x}\n- {name: b, to: 'tcp://x:601'}\n- {name: c, to: 'https://x/', format: ocsf, max-bytes: 1000}\n"))
	if err != nil || len(all) != 3 {
		t.Fatal(err)
	}
	if all[0].Format != siem.ECS || all[1].Format != siem.CEF || all[2].Format != siem.OCSF || all[2].MaxBytes != 1000 || all[0].MaxSize != 100<<20 || all[0].MaxFiles != 5 {
		t.Errorf("%+v", all)
	}
}
