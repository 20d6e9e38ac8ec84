package schema_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/segmentio/encoding/json"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
)

// footprint is one of addresses that holds the numbers.
func footprint(numbers []uint16) *schema.Footprint {
	var set [schema.FootprintBits / 64]uint64
	for _, i := range numbers {
		set[i>>6] |= 1 << (i & 63)
	}
	f := &schema.Footprint{Of: schema.FootprintAddresses, Prefix: netip.MustParsePrefix("10.1.0.0/16")}
	var words []schema.FootprintWord
	for i, w := range set {
		if w != 0 {
			words = append(words, schema.FootprintWord{At: i, Bits: w})
		}
	}
	f.SetNumbers(words)
	return f
}

// scattered is n numbers without order, at most.
func scattered(seed uint64, n int) []uint16 {
	r := rand.New(rand.NewPCG(seed, 1))
	var all []uint16
	for range n {
		all = append(all, uint16(r.Uint32()))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var prefixes = cmpopts.EquateComparable(netip.Prefix{})

func TestAFootprintComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := scattered(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 3000).Draw(t, "scattered"))
		first := rapid.Uint16().Draw(t, "first")
		for i := range rapid.Uint16Range(0, 65535-first).Draw(t, "run") {
			want = append(want, first+i)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		f := footprint(want)
		wire, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var got schema.Footprint
		if err := json.Unmarshal(wire, &got); err != nil {
			t.Fatalf("%s: %v", wire, err)
		}
		if diff := cmp.Diff(*f, got, prefixes); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		if int(got.Count) != len(want) || !slices.Equal(slices.Collect(got.All()), want) {
			t.Fatalf("%d numbers came back as %d", len(want), got.Count)
		}
	})
}

func TestAFootprintTakesTheShorterOfItsForms(t *testing.T) {
	whole := make([]uint16, schema.FootprintBits)
	for i := range whole {
		whole[i] = uint16(i)
	}
	for _, c := range []struct {
		numbers []uint16
		most    int // bytes of JSON
		want    string
	}{
		{nil, 60, `{"of":"addresses","prefix":"10.1.0.0/16","count":0}`},
		{[]uint16{22, 80, 81, 65535}, 100, `{"of":"addresses","prefix":"10.1.0.0/16","count":4,"ranges":"22,80-81,65535"}`},
		{whole, 100, `{"of":"addresses","prefix":"10.1.0.0/16","count":65536,"ranges":"0-65535"}`},
		{scattered(1, 60), 500, ""},
		{scattered(1, 1000), 2600, ""},
		{scattered(1, 40_000), 11_100, ""}, // nearly half of all: nothing to compress
	} {
		wire, err := json.Marshal(footprint(c.numbers))
		if err != nil {
			t.Fatal(err)
		}
		if len(wire) > c.most || c.want != "" && string(wire) != c.want {
			t.Errorf("%d numbers take %d bytes, want at most %d: %.100s", len(c.numbers), len(wire), c.most, wire)
		}
	}
}

// In memory 130 addresses take no 8 KiB, and their text is that of the bits.
func TestAFewScatteredNumbersAreAListInMemoryAndABitmapInText(t *testing.T) {
	for _, n := range []int{130, 4000, 5000} {
		numbers := scattered(2, n)
		f := footprint(numbers)
		if len(f.Bitmap) != min(2*len(numbers), 8192) {
			t.Errorf("%d numbers take %d bytes", len(numbers), len(f.Bitmap))
		}
		bits := make(schema.Bitmap, 8192)
		for _, i := range numbers {
			bits[i>>3] |= 1 << (i & 7)
		}
		got, err := f.Bitmap.MarshalText()
		if want, _ := bits.MarshalText(); err != nil || string(got) != string(want) {
			t.Errorf("%d numbers: %v, %s, want %s", len(numbers), err, got, want)
		}
	}
}

func TestANumberOfAFootprintIsAnAddressOrANetwork(t *testing.T) {
	for _, c := range []struct {
		of     schema.FootprintOf
		prefix string
		want   string
	}{
		{schema.FootprintAddresses, "10.1.0.0/16", "10.1.2.3/32"},
		{schema.FootprintNetworks, "10.0.0.0/8", "10.2.3.0/24"},
		{schema.FootprintNetworks, "0.0.0.0/0", "2.3.0.0/16"},
		{schema.FootprintPorts, "10.0.0.1/32", "invalid Prefix"},
	} {
		f := schema.Footprint{Of: c.of, Prefix: netip.MustParsePrefix(c.prefix)}
		if got := f.Network(2<<8 | 3).String(); got != c.want {
			t.Errorf("number 515 of the %s of %s is %s, want %s", c.of, c.prefix, got, c.want)
		}
	}
}

func TestAFootprintThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{
		`{"ranges":"1-70000"}`, `{"ranges":"5,3"}`, `{"ranges":"5-5"}`, `{"ranges":"1,2"}`, `{"ranges":"-1"}`, `{"ranges":","}`,
		`{"bitmap":"AAAA"}`, `{"bitmap":"eJwDAAAAAAE="}`, `{"bitmap":"?"}`,
	} {
		var f schema.Footprint
		if err := json.Unmarshal([]byte(text), &f); err == nil {
			t.Errorf("%s is taken for %v", text, f)
		}
	}
}

func FuzzFootprint(f *testing.F) {
	for _, n := range []int{0, 3, 100, 5000, 40_000} {
		wire, err := json.Marshal(footprint(scattered(7, n)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var one, two schema.Footprint
		if json.Unmarshal(wire, &one) != nil {
			return
		}
		one.Has(80)
		again, err := json.Marshal(&one)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &two); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if diff := cmp.Diff(one, two, prefixes); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
		if len(one.Bitmap) > schema.FootprintBits/8 || len(one.Ranges) > 64 {
			t.Errorf("%d bytes of bitmap, %d ranges", len(one.Bitmap), len(one.Ranges))
		}
	})
}
