package settings

import (
	"encoding"
	"fmt"
	"math/bits"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// accepted says which values f takes, in words that follow "want ", or "" where
// only the type's own parser knows.
func accepted(f *kong.Flag) string {
	if f.Enum != "" {
		return "one of " + strings.Join(f.EnumSlice(), ", ")
	}
	t := f.Target.Type()
	switch {
	case f.IsSlice():
		if w := acceptedType(t.Elem()); w != "" {
			return "a list, each " + w
		}
		return ""
	case t.Kind() == reflect.Pointer:
		return acceptedType(t.Elem())
	default:
		return acceptedType(t)
	}
}

func acceptedType(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 300ms, 10s or 1h30m"
	case reflect.TypeFor[time.Time]():
		return "a time such as 2026-11-21T08:00:00Z"
	case reflect.TypeFor[netip.Addr]():
		return "an address such as 192.0.2.1 or 2001:db8::1"
	case reflect.TypeFor[netip.AddrPort]():
		return "an address and a port such as 192.0.2.1:2055, or :2055 for all addresses"
	case reflect.TypeFor[netip.Prefix]():
		return "a network such as 10.0.0.0/8 or 2001:db8::/32"
	}
	if t.Implements(textUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
		return ""
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := width(t)
		return fmt.Sprintf("a whole number from %d to %d", -1<<(n-1), int64(1)<<(n-1)-1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number from 0 to %d", ^uint64(0)>>(64-width(t)))
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return ""
	}
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

func width(t reflect.Type) int {
	if k := t.Kind(); k == reflect.Int || k == reflect.Uint {
		return bits.UintSize
	}
	return t.Bits()
}

// inEnum says whether v is among the values that f lists, or each of its
// elements is.
func inEnum(f *kong.Flag, v reflect.Value) bool {
	switch {
	case f.Enum == "":
		return true
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			if !inEnum(f, v.Index(i)) {
				return false
			}
		}
		return true
	case v.Kind() == reflect.Pointer:
		return v.IsNil() || inEnum(f, v.Elem())
	default:
		return f.EnumMap()[fmt.Sprint(v)]
	}
}
