package cmd_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

func TestWithoutKafkaEachProgramWaitsSaysWhyAndEndsWhenTold(t *testing.T) {
	nowhere := unused(t, "tcp")
	for _, name := range []string{"ingest", "detector", "alerter"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, settings: settingsFile(t, []string{nowhere}, natsServer(t))}
			waitsInVain(w.launch(name), nowhere)
		})
	}
}

func TestWithoutNATSTheAlerterWaitsSaysWhyAndEndsWhenTold(t *testing.T) {
	nowhere := unused(t, "tcp")
	k := kafkaServer(t)
	w := &world{t: t, settings: settingsFile(t, k.Brokers(), "nats://"+nowhere)}
	waitsInVain(w.launch("alerter"), nowhere)
}

func TestACommandThatWaitsForStandardInputEndsWhenTold(t *testing.T) {
	for _, name := range []string{"decode", "replay"} {
		p := &process{t: t, name: name, stderr: new(output), done: make(chan struct{})}
		p.cmd = command("scanhound", name, "-")
		p.cmd.Stderr = p.stderr
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p.cmd.Stdin = out
		p.start()
		// More than a pipe holds, so that it is running; and then nothing, so that it waits.
		flow := append(schema.AppendJSON(nil, &schema.Flow{Start: 1, End: 1, Received: 1}), '\n')
		if _, err := in.Write(bytes.Repeat(flow, 1<<20/len(flow))); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" waits for more", p.waits)
		if code := p.terminate(); code != 128+int(syscall.SIGTERM) {
			t.Errorf("%s ended with %d", name, code)
		}
		_, _ = in.Close(), out.Close() // nothing more is written
	}
}

func TestWhatDoesNotAnswerWithinTheStartTimeoutEndsEachProgramWithCode4(t *testing.T) {
	nowhere := unused(t, "tcp")
	for name, w := range map[string]*world{
		"ingest":   {settings: settingsFile(t, []string{nowhere}, natsServer(t))},
		"detector": {settings: settingsFile(t, []string{nowhere}, natsServer(t))},
		"alerter":  {settings: settingsFile(t, []string{nowhere}, natsServer(t))},
	} {
		endsUnreachable(t, name, w.settings, "reach Kafka at "+nowhere)
	}
	endsUnreachable(t, "alerter", settingsFile(t, kafkaServer(t).Brokers(), "nats://"+nowhere), "NATS at nats://"+nowhere)
}

func endsUnreachable(t *testing.T, name, settings, says string) {
	t.Helper()
	r := runToEnd(t, name, "--settings="+settings, "--start-timeout=300ms")
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	last := lines[len(lines)-1]
	for _, part := range []string{`"msg":"ended"`, `"code":4`, name + ": not within 300ms, the start-timeout: ", says} {
		if r.code != 4 || !strings.Contains(last, part) {
			t.Errorf("%s ended with %d, its last words do not say %s: %s", name, r.code, part, last)
		}
	}
}

func TestAServerThatAnswersAndRefusesIsNotUnreachable(t *testing.T) {
	settings := settingsFile(t, kafkaServer(t).Brokers(), natsServer(t))
	r := runToEnd(t, "alerter", "--settings="+settings, "--start-timeout=1m", "--nats-stream-replicas=3")
	if r.code != 1 || !strings.Contains(r.stderr, "3 replicas need a NATS cluster") {
		t.Errorf("ended with %d: %s", r.code, r.stderr)
	}
}

// waitsInVain checks a program whose server at nowhere is not there.
func waitsInVain(p *process, nowhere string) {
	t := p.t
	t.Helper()
	eventually(t, p.name+" warns of "+nowhere, func() bool { return len(p.warnings(nowhere)) > 0 })
	if code, body := p.get("/livez"); code != http.StatusOK {
		t.Errorf("/livez: %d %s", code, body)
	}
	repeated := `scanhound_` + p.name + `_log_messages_total{level="warn"}`
	eventually(t, p.name+" tries again", func() bool { return p.metrics()[repeated] >= 3 })
	for message, n := range p.warnings(nowhere) {
		if n > 2 {
			t.Errorf("%q is written %d times within seconds", message, n)
		}
	}
	body := ""
	if !within(10*time.Second, func() bool {
		var code int
		code, body = p.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, nowhere) && strings.Contains(body, "check")
	}) {
		t.Errorf("/readyz of %s does not name %s and what to check, but says:\n%s", p.name, nowhere, body)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("%s ended with %d after SIGTERM", p.name, code)
	}
}

// unused is an address of this machine on which nobody listens.
func unused(t *testing.T, network string) string {
	t.Helper()
	l, err := net.Listen(network, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
