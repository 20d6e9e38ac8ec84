package output

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// picky is a webhook that refuses what it does not like, and takes only what is signed.
type picky struct {
	mu    sync.Mutex
	likes bool
	taken []string
}

func (p *picky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte("s3cret"))
	fmt.Fprintf(mac, "%s.%s", r.Header.Get("X-Scanhound-Timestamp"), body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Header.Get("X-Scanhound-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) || !p.likes && strings.Contains(string(body), "id0003") {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	p.taken = append(p.taken, r.Header.Get("Content-Type")+" "+string(body))
}

func (p *picky) all(likes bool) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.likes = likes
	return strings.Join(p.taken, "")
}

// What a webhook refuses is counted and kept as it was sent; resend.sh gives it again, signed, when the
// webhook has been mended, and keeps what is refused once more.
func TestWhatWasRefusedIsKeptAndGivenAgain(t *testing.T) {
	for _, program := range []string{"curl", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	for template, kind := range map[string]string{"": "application/x-ndjson", "slack": "application/json"} {
		t.Run("template "+template, func(t *testing.T) {
			hook := &picky{}
			server := httptest.NewServer(hook)
			defer server.Close()
			secret, dead := filepath.Join(t.TempDir(), "secret"), filepath.Join(t.TempDir(), "refused")
			if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			b := newBench(t, fmt.Sprintf("- {name: web, to: %s, template: %q, secret-file: %s, dead-letters: %s}\n", server.URL, template, secret, dead))
			set, _ := b.start()
			b.say(1, 5)
			b.until("four are taken, one is refused", func() bool {
				return set.named("web").count[sent].Load() == 4 && set.named("web").count[refused].Load() == 1
			})
			kept := lines(t, dead)
			if len(kept) != 1 || !strings.Contains(kept[0], "id0003") {
				t.Fatalf("kept are %q", kept)
			}
			resend := func() error {
				cmd := exec.Command("../../../deploy/siem/resend.sh", dead, server.URL)
				cmd.Env = append(os.Environ(), "SECRET_FILE="+secret, "CONTENT_TYPE="+kind)
				out, err := cmd.CombinedOutput()
				t.Logf("%s", out)
				return err
			}
			if err := resend(); err == nil {
				t.Error("what is refused once more is no error")
			}
			if err := os.Rename(dead+".again", dead); err != nil {
				t.Fatal(err)
			}
			hook.all(true)
			if err := resend(); err != nil {
				t.Error(err)
			}
			if all := hook.all(true); !strings.HasSuffix(all, kind+" "+kept[0]+"\n") {
				t.Errorf("taken are %q", all)
			}
			if left, err := filepath.Glob(dead + "*"); err != nil || len(left) != 0 {
				t.Errorf("left are %q, %v", left, err)
			}
			b.say(6, 1)
			b.until("it goes on", func() bool { return set.named("web").count[sent].Load() == 5 })
		})
	}
}
