package output

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/schema/siem"
	"github.com/scanhound/scanhound/stream"
)

// webhook posts documents: JSON lines, many a request, or one message for people a request.
// Where there is a secret, a request is signed:
//
//	X-Scanhound-Timestamp: 1795780800
//	X-Scanhound-Signature: sha256=HEX   HMAC of timestamp, ".", body
type webhook struct {
	e      *Entry
	client *http.Client
}

const webhookTimeout = 30 * time.Second

func newWebhook(e *Entry) *webhook {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		return stream.DialTLS(ctx, address, e.CAFile, e.CertFile, e.KeyFile)
	}
	return &webhook{e, &http.Client{
		Timeout:   webhookTimeout,
		Transport: &http.Transport{DialTLSContext: dial, Proxy: http.ProxyFromEnvironment, MaxIdleConns: 2, IdleConnTimeout: time.Minute},
		// What is redirected would arrive as a GET without its body.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (o *webhook) send(ctx context.Context, docs []document) error {
	if o.e.Template != "" {
		said := make([]document, len(docs)) // what was refused is kept as it was sent
		for i, d := range docs {
			said[i] = d
			said[i].text = o.message(d)
		}
		return each(said, func(d document) error { return o.post(ctx, "application/json", d.text) })
	}
	var body []byte
	for _, d := range docs {
		body = append(append(body, d.text...), '\n')
	}
	err := o.post(ctx, o.contentType(), body)
	var no *rejected
	if len(docs) > 1 && errors.As(err, &no) {
		// One of them may be the reason: the others are not to be lost with it.
		return each(docs, func(d document) error {
			return o.post(ctx, o.contentType(), append(d.text[:len(d.text):len(d.text)], '\n'))
		})
	}
	if errors.As(err, &no) {
		return &refusal{docs, no}
	}
	return err
}

// each sends documents one by one. Those that were rejected are collected; another error ends it,
// and all are sent again.
func each(docs []document, send func(document) error) error {
	refused := refusal{}
	for _, d := range docs {
		err := send(d)
		var no *rejected
		switch {
		case errors.As(err, &no):
			refused.docs, refused.why = append(refused.docs, d), no
		case err != nil:
			return err
		}
	}
	if len(refused.docs) > 0 {
		return &refused
	}
	return nil
}

func (o *webhook) contentType() string {
	if o.e.Format == siem.CEF {
		return "text/plain; charset=utf-8"
	}
	return "application/x-ndjson"
}

// slackText keeps a text from being a link or from calling a channel: Slack reads <...> as such
// (its "Formatting text for app surfaces"). A TextBlock's Markdown cannot call anybody.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// message is one for people: Slack's and Teams's webhooks both take a text.
func (o *webhook) message(d document) []byte {
	a := d.alert
	text := d.says
	if text == "" {
		text = fmt.Sprintf("%s [%s, %s] %s", siem.Message(a), a.Severity, a.State, a.ID[:min(12, len(a.ID))])
	}
	var body any = map[string]string{"text": slackText.Replace(text)}
	if o.e.Template == "teams" {
		card := map[string]any{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
			"body": []any{map[string]any{"type": "TextBlock", "text": text, "wrap": true}},
		}
		body = map[string]any{"type": "message", "attachments": []any{
			map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card},
		}}
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic("BUG: a message of texts is no JSON: " + err.Error())
	}
	return b
}

// rejected is an answer that will not change.
type rejected struct {
	status int
	said   string
}

func (r *rejected) Error() string { return fmt.Sprintf("status %d: %q", r.status, r.said) }

func (o *webhook) post(ctx context.Context, contentType string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.e.To, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", "scanhound")
	if err := o.authorize(r, body); err != nil {
		return err
	}
	answer, err := o.client.Do(r)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(io.LimitReader(answer.Body, 200))
	_ = answer.Body.Close()
	switch s := answer.StatusCode; {
	case err != nil:
		return err
	case s/100 == 2:
		return nil
	case s == http.StatusRequestTimeout, s == http.StatusTooManyRequests, s == http.StatusTooEarly, s/100 == 5,
		s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusNotFound, s/100 == 3:
		// The last four are somebody's mistake, and are mended without losing what waits.
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return &busy{&rejected{s, string(said)}, time.Duration(seconds) * time.Second}
	default:
		return &rejected{s, string(said)}
	}
}

// authorize adds the token and the signature. Their files are read each time: they are rotated.
func (o *webhook) authorize(r *http.Request, body []byte) error {
	if o.e.TokenFile != "" {
		token, err := os.ReadFile(o.e.TokenFile)
		if err != nil {
			return fmt.Errorf("token-file: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	}
	if o.e.SecretFile == "" {
		return nil
	}
	secret, err := os.ReadFile(o.e.SecretFile)
	if err != nil {
		return fmt.Errorf("secret-file: %w", err)
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, bytes.TrimSpace(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	r.Header.Set("X-Scanhound-Timestamp", at)
	r.Header.Set("X-Scanhound-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return nil
}

func (o *webhook) close() { o.client.CloseIdleConnections() }
