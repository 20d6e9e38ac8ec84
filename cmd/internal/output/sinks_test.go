package output

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func docs(texts ...string) (all []document) {
	for i, s := range texts {
		all = append(all, document{text: []byte(s), alert: alert("a", uint32(i+1))})
	}
	return all
}

func TestAFileIsSetAsideAndItsTornLineIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.json")
	if err := os.WriteFile(path, []byte("{\"torn\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &file{path: path, maxSize: 30, keep: 2}
	defer o.close()
	for i := range 6 {
		if err := o.send(t.Context(), docs(fmt.Sprintf(`{"n":%d}`, i), `{"m":0}`)); err != nil {
			t.Fatal(err)
		}
	}
	var all []string
	for _, name := range []string{".2", ".1", ""} {
		b, err := os.ReadFile(path + name)
		if err != nil || len(b) > 30 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		all = append(all, strings.Fields(string(b))...)
	}
	want := strings.Fields(`{"n":3} {"m":0} {"n":4} {"m":0} {"n":5} {"m":0}`)
	if len(all) < len(want) || !slices.Equal(all[len(all)-len(want):], want) {
		t.Errorf("%q", all)
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more are kept than asked for")
	}
	// logrotate takes it away.
	if err := os.Rename(path, path+".gone"); err != nil {
		t.Fatal(err)
	}
	if err := o.send(t.Context(), docs(`{"new":1}`)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "{\"new\":1}\n" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestALineThatWasCutOffIsEndedFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.json")
	if err := os.WriteFile(path, []byte("{\"whole\":1}\n{\"torn\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &file{path: path, maxSize: 1000, keep: 1}
	defer o.close()
	if err := o.send(t.Context(), docs(`{"next":1}`)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "{\"whole\":1}\n{\"torn\":\n{\"next\":1}\n" {
		t.Errorf("%q, %v", b, err)
	}
}

// messages reads what a syslog server reads: a length, a blank, and so many bytes.
func messages(t *testing.T, l net.Listener, got chan<- string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		r := bufio.NewReader(c)
		for {
			length, err := r.ReadString(' ')
			if err != nil {
				break
			}
			n, err := strconv.Atoi(strings.TrimSpace(length))
			if err != nil {
				t.Errorf("no length: %q", length)
				break
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				break
			}
			got <- string(b)
			if strings.HasSuffix(string(b), "hang up") {
				break
			}
		}
		_ = c.Close()
	}
}

func TestSyslogMessagesHaveTheirLengthsAndComeAgainAfterAHangUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 10)
	go messages(t, l, got)
	o := newSyslog(&Entry{}, &url.URL{Scheme: "tcp", Host: l.Addr().String()})
	o.host = "collector"
	defer o.close()
	if err := o.send(t.Context(), docs("CEF:0|first", "two\u00e9 hang up")); err != nil {
		t.Fatal(err)
	}
	if m := <-got; m != "<132>1 2026-11-27T12:00:00.000000Z collector scanhound - scan-open - CEF:0|first" {
		t.Error(m)
	}
	<-got
	select {
	case <-o.gone:
	case <-time.After(time.Minute):
		t.Fatal("the end of the connection is not noticed")
	}
	if err := o.send(t.Context(), docs("third")); err != nil {
		t.Fatal(err)
	}
	if m := <-got; !strings.HasSuffix(m, " third") {
		t.Error(m)
	}
}

func TestAWebhookIsSignedAndWhatItRefusesIsTold(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var bodies []string
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("s3cret"))
		fmt.Fprintf(mac, "%s.%s", r.Header.Get("X-Scanhound-Timestamp"), body)
		if r.Header.Get("X-Scanhound-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Error("the signature is another")
		}
		if status == http.StatusOK && strings.Contains(string(body), "poison") {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		bodies = append(bodies, string(body))
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
	}))
	defer server.Close()
	o := newWebhook(&Entry{To: server.URL, SecretFile: secret})
	defer o.close()
	if err := o.send(t.Context(), docs("one", "two")); err != nil || !slices.Equal(bodies, []string{"one\ntwo\n"}) {
		t.Errorf("%q, %v", bodies, err)
	}
	bodies = nil
	var no *refusal
	if err := o.send(t.Context(), docs("three", "poison", "four")); !errors.As(err, &no) || len(no.docs) != 1 || string(no.docs[0].text) != "poison" {
		t.Errorf("%v", err)
	}
	if !slices.Equal(bodies, []string{"three\n", "four\n"}) {
		t.Errorf("%q", bodies)
	}
	for _, s := range []int{429, 503, 401, 404, 302} {
		status = s
		if err := o.send(t.Context(), docs("five")); err == nil || errors.As(err, &no) && len(no.docs) == 1 && string(no.docs[0].text) == "five" || retryAfter(err) != 7*time.Second {
			t.Errorf("%d: %v, again after %v", s, err, retryAfter(err))
		}
	}
}

func TestAMessageForPeopleIsOneARequest(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
	}))
	defer server.Close()
	for _, template := range []string{"slack", "teams"} {
		o := newWebhook(&Entry{To: server.URL, Template: template})
		if err := o.send(context.Background(), docs("x", "y")); err != nil {
			t.Fatal(err)
		}
		o.close()
	}
	if len(bodies) != 4 || !strings.Contains(bodies[0], `{"text":"Horizontal scan by 198.51.100.7 of`) || !strings.Contains(bodies[3], `"AdaptiveCard"`) {
		t.Errorf("%q", bodies)
	}
}

// Whatever an alert says, a message for people is one JSON object that says the same, and to Slack nothing but text.
func TestAMessageForPeopleIsJSONWhateverItSays(t *testing.T) {
	for _, hostile := range []string{
		`"}],"text":"other`, "two\nlines\r\n", `back\slash`, "<!channel> <https://evil.example|here> &amp;", "nul\x00 escape\x1b", "umlaut \u00fc \u2028", "torn \xff\xfe",
	} {
		a := alert("a", 1)
		a.Reason = hostile
		for template, read := range map[string]func(map[string]any) any{
			"slack": func(m map[string]any) any {
				text, _ := m["text"].(string)
				if strings.ContainsAny(text, "<>") {
					t.Errorf("Slack reads more than text: %q", text)
				}
				return html.UnescapeString(text)
			},
			"teams": func(m map[string]any) any {
				for _, key := range []string{"attachments", "content", "body"} {
					if list, ok := m[key].([]any); ok && len(list) == 1 {
						m = list[0].(map[string]any)
					} else {
						m = m[key].(map[string]any)
					}
				}
				return m["text"]
			},
		} {
			var m map[string]any
			o := newWebhook(&Entry{Template: template})
			if err := stdjson.Unmarshal(o.message(document{alert: a}), &m); err != nil {
				t.Errorf("%s with %q: %v", template, hostile, err)
				continue
			}
			if text, _ := read(m).(string); !strings.Contains(text, strings.ToValidUTF8(hostile, "\ufffd")) && !strings.Contains(text, strings.ToValidUTF8(hostile, "\ufffd\ufffd")) {
				t.Errorf("%s says %q, of %q", template, text, hostile)
			}
		}
	}
}
