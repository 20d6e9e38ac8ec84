package siem_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const patience = 2 * time.Minute

// lacks skips the test, but in CI, where nothing may be left out.
func lacks(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// libraries are those of an OpenSearch, from Maven: 53 MB, fetched once.
func libraries(t *testing.T) string {
	t.Helper()
	for program, pkg := range map[string]string{"javac": "default-jdk-headless", "mvn": "maven", "curl": "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			lacks(t, "no "+program+": Debian's package is "+pkg)
		}
	}
	pom := read(t, "testdata/pom.xml")
	dir, err := filepath.Abs("../../.cache/opensearch")
	if err != nil {
		t.Fatal(err)
	}
	lib := filepath.Join(dir, "lib")
	if b, err := os.ReadFile(filepath.Join(lib, "pom.xml")); err == nil && bytes.Equal(b, pom) {
		return lib
	}
	if err := os.RemoveAll(lib); err != nil {
		t.Fatal(err)
	}
	for try := range 3 {
		time.Sleep(time.Duration(try) * 3 * time.Second)
		cmd := exec.Command("mvn", "-q", "-B", "-f", "testdata/pom.xml", "dependency:copy-dependencies", "-DoutputDirectory="+lib)
		var out []byte
		if out, err = cmd.CombinedOutput(); err == nil {
			if err = os.WriteFile(filepath.Join(lib, "pom.xml"), pom, 0o600); err != nil {
				t.Fatal(err)
			}
			return lib
		}
		t.Logf("mvn: %v\n%s", err, out)
	}
	lacks(t, "cannot fetch OpenSearch: "+err.Error())
	return ""
}

// openSearch starts one, and returns its URL. It ends with the test.
func openSearch(t *testing.T) string {
	t.Helper()
	lib := libraries(t)
	port := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, p, _ := net.SplitHostPort(l.Addr().String())
		return p
	}
	web := port()
	cmd := exec.Command("java", "-Xmx512m", "-cp", filepath.Join(lib, "*"), "testdata/Node.java", t.TempDir(), web, port())
	said := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = said, said
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = in.Close()
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
			t.Error("OpenSearch did not end")
		}
		if t.Failed() {
			t.Logf("OpenSearch said:\n%s", said)
		}
	})
	url := "http://127.0.0.1:" + web
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if r, err := http.Get(url); err == nil {
			_ = r.Body.Close()
			return url
		}
		if time.Now().After(end) || len(ended) > 0 {
			t.Fatal("OpenSearch does not answer")
		}
	}
}

// ask sends a body, wants status 200, and reads the answer.
func ask(t *testing.T, url string, body []byte, answer any) {
	t.Helper()
	r, err := http.Post(url, "application/x-ndjson", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, answer)
	}
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %.1000s", url, r.Status, err, b)
	}
}

// An OpenSearch that was set up by install.sh takes every alert once, however often it comes, finds it by its fields,
// and refuses what is no alert.
func TestOpenSearchTakesEachAlertOnceAndFindsItByItsFields(t *testing.T) {
	url := openSearch(t)
	for range 2 { // it may be run again
		if out, err := exec.Command("./install.sh", "opensearch", url).CombinedOutput(); err != nil {
			t.Fatalf("install.sh: %v\n%s", err, out)
		}
	}
	var bulk bytes.Buffer
	docs := golden(t)
	critical := 0
	for i, d := range docs {
		event := d["event"].(map[string]any)
		if event["id"] = fmt.Sprintf("%032x.1", i); event["severity"] == 99.0 {
			critical++
		}
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&bulk, "{\"create\":{}}\n%s\n", b)
	}
	bulk.WriteString("{\"create\":{}}\n{\"@timestamp\":\"2026-11-27T12:00:00Z\",\"message\":\"no alert\"}\n")
	for _, want := range []int{http.StatusCreated, http.StatusConflict} {
		var answer struct {
			Items []struct {
				Create struct {
					Status int
					ID     string `json:"_id"`
					Error  any
				}
			}
		}
		ask(t, url+"/scanhound-alerts/_bulk?refresh=true", bulk.Bytes(), &answer)
		if len(answer.Items) != len(docs)+1 {
			t.Fatalf("%d answers", len(answer.Items))
		}
		for i, item := range answer.Items[:len(docs)] {
			if c := item.Create; c.Status != want || want == http.StatusCreated && c.ID != fmt.Sprintf("%032x.1", i) {
				t.Errorf("document %d: %+v, want %d", i, c, want)
			}
		}
		if c := answer.Items[len(docs)].Create; c.Status/100 == 2 {
			t.Errorf("what is no alert is taken: %+v", c)
		}
	}
	for query, want := range map[string]int{
		`{"match_all":{}}`:                                                             len(docs),
		`{"range":{"event.severity":{"gte":90}}}`:                                      critical,
		`{"bool":{"filter":{"term":{"source.ip":"192.0.2.0/24"}}}}`:                    len(docs) / 2,
		`{"bool":{"filter":{"term":{"source.ip":"2001:db8::/32"}}}}`:                   len(docs) / 2,
		`{"term":{"scanhound.severity":"critical"}}`:                                   critical,
		`{"range":{"@timestamp":{"gte":"2026-11-27T14:30:00Z"}}}`:                      critical,
		`{"match":{"message":"sweep"}}`:                                                len(docs) / 6,
		`{"exists":{"field":"event.ingested"}}`:                                        len(docs),
		`{"terms":{"threat.technique.subtechnique.id":["T1595.001","T9999.123","x"]}}`: len(docs) / 3,
	} {
		if got := found(t, url, query); got != want {
			t.Errorf("%s finds %d, want %d", query, got, want)
		}
	}
	sigmaOn(t, url, docs)
}

// found is how many documents a query finds.
func found(t *testing.T, url, query string) int {
	t.Helper()
	var answer struct {
		Hits struct{ Total struct{ Value int } }
	}
	r, err := http.Post(url+"/scanhound-alerts/_search?size=0&track_total_hits=true", "application/json", strings.NewReader(`{"query":`+query+`}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", query, r.Status, err)
	}
	return answer.Hits.Total.Value
}
