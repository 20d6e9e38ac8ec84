package settings

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHelpListsEverySettingWithItsDefaultAndVariable(t *testing.T) {
	t.Setenv("COLUMNS", "")
	got := call(t, &sample{}, nil, "--help")
	if got.blame != nobody {
		t.Error(got.stderr)
	}
	golden(t, "help.golden", got.Help)
}

func TestHelpIsGivenEvenWhereTheSettingsAreWrong(t *testing.T) {
	if got := call(t, &sample{}, []string{"SCANHOUND_MINIMUM=x"}, "--help"); got.blame != nobody {
		t.Errorf("blames %q: %s", got.blame, got.stderr)
	}
}

func TestAFlagWinsOverTheEnvironmentThatOverTheFileThatOverTheDefault(t *testing.T) {
	inFolder(t, "minimum: 5\n")
	file, env, flag := "--settings=settings.yaml", "SCANHOUND_MINIMUM=6", "--minimum=7"
	for _, c := range []struct {
		want    int
		from    string
		environ []string
		args    []string
	}{
		{3, "default", nil, nil},
		{5, "settings.yaml:1", nil, []string{file}},
		{5, "settings.yaml:1", []string{"SCANHOUND_SETTINGS=settings.yaml"}, nil},
		{6, "$SCANHOUND_MINIMUM", []string{env}, []string{file}},
		{7, "--minimum", []string{env}, []string{file, flag}},
	} {
		var cli sample
		got := call(t, &cli, c.environ, c.args...)
		if got.blame != nobody {
			t.Fatal(got.stderr)
		}
		if cli.Minimum != c.want {
			t.Errorf("%v %v give %d, want %d", c.environ, c.args, cli.Minimum, c.want)
		}
		if line := "# " + c.from + "\n"; !strings.Contains(string(got.Masked()), "minimum: "+string(rune('0'+c.want))+" "+line) {
			t.Errorf("the origin is not %s:\n%s", c.from, string(got.Masked()))
		}
	}
}

func TestListsAndMapsMeanTheSameInFlagEnvironmentAndFile(t *testing.T) {
	inFolder(t, `
ports: [80, 443]
networks:
  - 10.0.0.0/8
  - 2001:db8::/32
windows: [300ms, 1h30m]
exporter: 192.0.2.1
sites: {"192.0.2.1": north, "192.0.2.2": "south, or so"}
kafka:
  brokers: [a:9092, b:9092]
`)
	want := sample{
		Ports:    []int{80, 443},
		Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		Windows:  []time.Duration{300 * time.Millisecond, 90 * time.Minute},
		Exporter: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Sites:    map[string]string{"192.0.2.1": "north", "192.0.2.2": "south, or so"},
		Kafka:    sampleKafka{Brokers: []string{"a:9092", "b:9092"}},
	}
	flags := []string{
		"--ports=80,443", "--networks=10.0.0.0/8", "--networks=2001:db8::/32", "--windows=300ms,1h30m",
		"--exporter=192.0.2.1", "--sites=192.0.2.1=north;192.0.2.2=south, or so", "--kafka-brokers=a:9092,b:9092",
	}
	environ := []string{
		"SCANHOUND_PORTS=80,443", "SCANHOUND_NETWORKS=10.0.0.0/8,2001:db8::/32", "SCANHOUND_WINDOWS=300ms,1h30m",
		"SCANHOUND_EXPORTER=192.0.2.1", "SCANHOUND_SITES=192.0.2.1=north;192.0.2.2=south, or so",
		"SCANHOUND_KAFKA_BROKERS=a:9092,b:9092",
	}
	for name, run := range map[string]func(*sample) outcome{
		"flags":       func(c *sample) outcome { return call(t, c, nil, flags...) },
		"environment": func(c *sample) outcome { return call(t, c, environ) },
		"file":        func(c *sample) outcome { return call(t, c, nil, "--settings=settings.yaml") },
	} {
		var got sample
		if o := run(&got); o.blame != nobody {
			t.Errorf("%s: blames %q: %s", name, o.blame, o.stderr)
			continue
		}
		for _, d := range []string{
			cmp.Diff(want.Ports, got.Ports),
			cmp.Diff(want.Networks, got.Networks, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })),
			cmp.Diff(want.Windows, got.Windows),
			cmp.Diff(want.Exporter, got.Exporter, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })),
			cmp.Diff(want.Sites, got.Sites),
			cmp.Diff(want.Kafka.Brokers, got.Kafka.Brokers),
		} {
			if d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
}

func TestALaterSourceReplacesAListAndDoesNotAddToIt(t *testing.T) {
	inFolder(t, "ports: [80, 443]\n")
	var cli sample
	call(t, &cli, []string{"SCANHOUND_PORTS=25"}, "--settings=settings.yaml")
	if d := cmp.Diff([]int{25}, cli.Ports); d != "" {
		t.Error(d)
	}
	var emptied sample
	write(t, "settings.yaml", "ports: []\n")
	if got := call(t, &emptied, nil, "--settings=settings.yaml"); got.blame != nobody || len(emptied.Ports) != 0 {
		t.Errorf("an empty list gives %v: %+v", emptied.Ports, got)
	}
}

func TestAllThatIsWrongIsToldAtOnceWithItsPlaceAndWhatIsAccepted(t *testing.T) {
	inFolder(t, `minimun: 4
kafka:
  lingr: 1s
  batch: many
  brokers: [a:9092, [b]]
mode: slow
networks:
  - 10.0.0.0/8
  - 10.0.0.0/33
minimum: 1
minimum: 2
admin:
`)
	var cli sample
	got := call(t, &cli, []string{"SCANHOUND_MAXIMUM=70000", "SCANHOUND_WINDOWS=1m,2x"}, "--settings=settings.yaml")
	if got.blame != other || got.Settings != nil {
		t.Errorf("blames %q, and returns %+v", got.blame, got.Settings)
	}
	golden(t, "wrong.golden", got.stderr)
}

func TestAGroupsOwnComplaintsStandAtTheSettingTheyName(t *testing.T) {
	inFolder(t, `maximum: 2
shutdown-timeout: 0s
kafka:
  batch: 0

  linger: 2m
`)
	got := call(t, &sample{}, nil, "--settings=settings.yaml")
	want := `settings.yaml:2: shutdown-timeout: 0s leaves no time to stop
settings.yaml:6: kafka-linger: 2m0s is more than 1m
settings.yaml:4: kafka-batch: want at least 1
settings.yaml:1: minimum: 3 is more than maximum (2)
`
	if d := cmp.Diff(want, got.stderr); d != "" {
		t.Error(d)
	}
}

func TestAComplaintAboutTwoSettingsStandsAtTheFirst(t *testing.T) {
	inFolder(t, "maximum: 2\nminimum: 4\n")
	got := call(t, &sample{}, nil, "--settings=settings.yaml")
	if want := "settings.yaml:2: minimum: 4 is more than maximum (2)\n"; got.stderr != want {
		t.Errorf("got %s", got.stderr)
	}
}

type demanding struct {
	sample
	Site string `required:"" help:"Name of this site."`
}

func TestARequiredSettingMayComeFromAnySource(t *testing.T) {
	inFolder(t, "site: north\n")
	run := func(environ []string, args ...string) outcome { return call(t, &demanding{}, environ, args...) }
	want := outcome{nil, other, "site is required: give --site, $SCANHOUND_SITE or site in the settings file\n"}
	if got := run(nil); got != want {
		t.Errorf("without: %+v", got)
	}
	for from, got := range map[string]outcome{
		"file":        run(nil, "--settings=settings.yaml"),
		"environment": run([]string{"SCANHOUND_SITE=north"}),
		"flag":        run(nil, "--site=north"),
	} {
		if got.blame != nobody {
			t.Errorf("%s: %s", from, got.stderr)
		}
	}
}

func TestAComplaintThatNamesNoSettingListsWhatWasSet(t *testing.T) {
	inFolder(t, "kafka: {batch: 1}\n")
	got := call(t, &sample{}, []string{"SCANHOUND_KAFKA_BROKERS=a,b"}, "--settings=settings.yaml")
	want := "kafka: one record a batch needs one broker " +
		"(kafka-brokers from $SCANHOUND_KAFKA_BROKERS, kafka-batch from settings.yaml:1)\n"
	if d := cmp.Diff(want, got.stderr); d != "" {
		t.Error(d)
	}
}

func TestAWrongValueThatIsOverriddenIsWrongToo(t *testing.T) {
	inFolder(t, "minimum: x\n")
	if got := call(t, &sample{}, nil, "--settings=settings.yaml", "--minimum=1"); got.blame != other {
		t.Errorf("blames %q", got.blame)
	}
}

func TestOneFileServesAllPrograms(t *testing.T) {
	inFolder(t, "retention: 7d\nroutes: {a: b, c: d}\nminimum: 4\n")
	var cli sample
	got := call(t, &cli, []string{"SCANHOUND_RETENTION=1h"}, "--settings=settings.yaml")
	if got.blame != nobody || cli.Minimum != 4 {
		t.Errorf("minimum %d, %+v", cli.Minimum, got)
	}
}

func TestFilesThatAreNoMapOfSettingsAreRefused(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"- a\n", "settings.yaml:1: want a map of settings, such as log-level: debug"},
		{"minimum: 1\n---\nmaximum: 2\n", "settings.yaml:2: a second document begins here; one file holds one"},
		{"a: &x 1\nminimum: *x\n", "settings.yaml:2: minimum: anchors and aliases are not read here; write the value out"},
		{"minimum: {a: 1}\n", "settings.yaml:1: minimum-a is not a setting; did you mean minimum?"},
		{"minimum: [1]\n", "settings.yaml:1: minimum: want a single value, not a list"},
		{"minimum:\n\t1\n", "settings.yaml:2: found character that cannot start any token"},
		{"settings: other.yaml\n", "settings.yaml:1: settings is not a setting"},
	} {
		inFolder(t, c.file)
		got := call(t, &sample{}, nil, "--settings=settings.yaml")
		if got.blame != other || !strings.Contains(got.stderr, ""+c.want) {
			t.Errorf("%q: blames %q, %s", c.file, got.blame, got.stderr)
		}
	}
	if got := call(t, &sample{}, nil, "--settings=none.yaml"); got.blame != other || !strings.Contains(got.stderr, "none.yaml") {
		t.Errorf("no file: %+v", got)
	}
	inFolder(t, "# nothing\nkafka:\n  # nothing\n")
	if got := call(t, &sample{}, nil, "--settings=settings.yaml"); got.blame != nobody {
		t.Errorf("an empty group: %+v", got)
	}
}

func TestSecretsAreMaskedWhereverSettingsAreShown(t *testing.T) {
	inFolder(t, "token: tell-nobody\nkafka:\n  brokers: ['sasl://me:tell-nobody@a:9092']\n")
	var cli sample
	got := call(t, &cli, nil, "--settings=settings.yaml")
	if got.blame != nobody {
		t.Fatal(got.stderr)
	}
	golden(t, "masked.golden", string(got.Masked()))
	write(t, "again.yaml", string(got.Masked()))
	if got := call(t, &sample{}, nil, "--settings=again.yaml"); got.blame != nobody {
		t.Errorf("what is shown cannot be read again: %s", got.stderr)
	}
}

func TestASecretThatIsRefusedIsNotQuoted(t *testing.T) {
	inFolder(t, "key: tell-nobody\n")
	for place, got := range map[string]outcome{
		"settings.yaml:1": call(t, &sample{}, nil, "--settings=settings.yaml"),
		"$SCANHOUND_KEY":  call(t, &sample{}, []string{"SCANHOUND_KEY=tell-nobody"}),
		"--key":           call(t, &sample{}, nil, "--key=tell-nobody"),
	} {
		if !strings.HasPrefix(got.stderr, ""+place+": key: \"***\" is not accepted") || strings.Contains(got.stderr, "tell-nobody") {
			t.Errorf("%s: %s", place, got.stderr)
		}
	}
}

func TestARefusedURLIsQuotedWithoutItsPassword(t *testing.T) {
	got := call(t, &sample{}, []string{"SCANHOUND_ADMIN=http://me:tell-nobody@a:1"})
	if want := `admin: "http://***@a:1" is not accepted`; !strings.Contains(got.stderr, want) || strings.Contains(got.stderr, "tell-nobody") {
		t.Errorf("got %s", got.stderr)
	}
}

func TestVariablesThatNameNoSettingAreListedWithTheNearest(t *testing.T) {
	got := call(t, &sample{}, []string{
		"SCANHOUND_MINIMUN=4", "SCANHOUND_HOME=x", "SCANHOUND_CONSOLE_SERVICE_HOST=10.0.0.1", "HOME=/",
	})
	if d := cmp.Diff([]string{"SCANHOUND_MINIMUN (nearest: SCANHOUND_MINIMUM)"}, got.Unknown); d != "" {
		t.Error(d)
	}
}

func TestTheCommandLineIsToBlameAloneWhereNothingElseIsWrong(t *testing.T) {
	inFolder(t, "minimum: x\n")
	for _, c := range []struct {
		blame  string
		args   []string
		stderr string
	}{
		{commandLine, []string{"--no-such"}, "unknown flag --no-such\n"},
		{commandLine, []string{"--mode=slow"}, "--mode: mode: \"slow\" is not accepted: want one of fast, exact\n"},
		{other, []string{"--mode=slow", "--settings=settings.yaml"}, "settings.yaml:1: minimum: \"x\" is not accepted: want a whole number from -9223372036854775808 to 9223372036854775807\n--mode: mode: \"slow\" is not accepted: want one of fast, exact\n"},
	} {
		got := call(t, &sample{}, nil, c.args...)
		if got.blame != c.blame || got.stderr != c.stderr {
			t.Errorf("%v: blames %q: %s", c.args, got.blame, got.stderr)
		}
	}
}

func TestAnErrorThatOnlyTheProgramFindsHasThePlaceOfItsSetting(t *testing.T) {
	inFolder(t, "minimum: 1\nmaximum: 2\n")
	cause := errors.New("opens nothing")
	got := call(t, &sample{}, nil, "--settings=settings.yaml")
	for name, want := range map[string]string{
		"maximum": "settings.yaml:2: maximum: opens nothing",
		"token":   "token: opens nothing", // which has its default
	} {
		if err := got.Wrong(name, cause); err.Error() != want || !errors.Is(err, cause) {
			t.Errorf("%s gives %q", name, err)
		}
	}
	if got.Given("maximum") != "settings.yaml:2" || got.Given("token") != "" {
		t.Errorf("given at %q and %q", got.Given("maximum"), got.Given("token"))
	}
	var none *Settings
	if err := none.Wrong("token", cause); err.Error() != "token: opens nothing" {
		t.Errorf("without settings: %q", err)
	}
}

func TestAnEmptyAdminMeansNoPort(t *testing.T) {
	var cli sample
	if got := call(t, &cli, []string{"SCANHOUND_ADMIN="}); got.blame != nobody || cli.Admin.IsValid() {
		t.Errorf("admin is %v: %+v", cli.Admin, got)
	}
}

func TestAPortAloneMeansAllAddresses(t *testing.T) {
	for _, from := range [][2][]string{{{"SCANHOUND_ADMIN=:9102"}, nil}, {nil, {"--admin=:9102"}}} {
		var cli sample
		if got := call(t, &cli, from[0], from[1]...); got.blame != nobody || cli.Admin.String() != "[::]:9102" {
			t.Errorf("%v: admin is %v: %+v", from, cli.Admin, got)
		}
	}
}

func TestAFlagThatDoesNotParseIsToldWhatWouldBeAccepted(t *testing.T) {
	var cli sample
	for flag, want := range map[string]string{"--admin=9102": "or :2055 for all addresses", "--admin=x:1": "an address and a port such as"} {
		if got := call(t, &cli, nil, flag); got.blame != commandLine || !strings.Contains(got.stderr, "--admin: ") || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v", flag, got)
		}
	}
}
