package detect

import (
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestOutcomeOfOneFlow(t *testing.T) {
	const S, A, R, P, F, U = schema.SYN, schema.ACK, schema.RST, schema.PSH, schema.FIN, schema.URG
	type side struct {
		flags          uint16
		packets, bytes uint64
	}
	for _, c := range []struct {
		name     string
		proto    uint8
		src, dst side
		flagless bool
		want     outcome
	}{
		{"SYN", 6, side{S, 1, 44}, side{}, false, failed},
		{"SYN with ECN, retried", 6, side{S | schema.ECE | schema.CWR, 4, 240}, side{}, false, failed},
		{"SYN flood in one flow", 6, side{S, 400, 17600}, side{}, false, touched},
		{"SYN with data or padding", 6, side{S, 1, 600}, side{}, false, failed},
		{"SYN with padding, retried", 6, side{S, 3, 396}, side{}, false, failed},
		{"session of which only the first packet's flags are told", 6, side{S, 4, 1600}, side{}, false, touched},
		{"SYN refused", 6, side{S, 1, 44}, side{R | A, 1, 40}, false, failed | refused},
		{"half-open", 6, side{S | R, 2, 84}, side{S | A, 1, 44}, false, failed | touched},
		{"NULL", 6, side{0, 1, 40}, side{}, false, stealth},
		{"no flags from who never sends any", 6, side{0, 1, 40}, side{}, true, flagless},
		{"no flags, refused", 6, side{0, 1, 40}, side{0, 1, 40}, true, flagless | touched},
		{"no flags, a small answer", 6, side{0, 3, 160}, side{0, 2, 900}, true, touched},
		{"no flags, an answer of no known size", 6, side{0, 1, 40}, side{0, 1, 0}, true, touched},
		{"FIN", 6, side{F, 1, 40}, side{}, false, stealth},
		{"XMAS", 6, side{F | P | U, 1, 40}, side{}, false, stealth},
		{"SYN+FIN", 6, side{S | F, 1, 40}, side{}, false, stealth},
		{"lone ACK", 6, side{A, 1, 40}, side{}, false, weak},
		{"FIN+ACK", 6, side{F | A, 1, 40}, side{}, false, weak},
		{"connect scan", 6, side{S | A | R, 3, 132}, side{S | A, 1, 44}, false, reached},
		{"session", 6, side{S | A | P | F, 12, 2000}, side{S | A | P | F, 10, 9000}, false, answered},
		{"session, one direction", 6, side{S | A | P | F, 12, 2000}, side{}, false, answered},
		{"only the refusal", 6, side{}, side{R | A, 1, 40}, false, refused},
		{"only the SYN+ACK", 6, side{}, side{S | A, 1, 44}, false, touched},
		{"UDP probe", 17, side{0, 1, 40}, side{}, false, failed},
		{"UDP answered", 17, side{0, 1, 40}, side{0, 1, 90}, false, answered},
		{"UDP stream", 17, side{0, 50, 9000}, side{}, false, touched},
		{"ping", 1, side{0, 1, 84}, side{}, false, echo},
		{"SCTP INIT", 132, side{0, 1, 68}, side{}, false, failed},
		{"GRE probe", 47, side{0, 1, 40}, side{}, false, failed},
	} {
		f := schema.Flow{Proto: c.proto}
		f.Src.TCPFlags, f.Src.Packets, f.Src.Bytes = c.src.flags, c.src.packets, c.src.bytes
		f.Dst.TCPFlags, f.Dst.Packets, f.Dst.Bytes = c.dst.flags, c.dst.packets, c.dst.bytes
		if got := outcomeOf(&f, !c.flagless); got != c.want {
			t.Errorf("%s: %08b, want %08b", c.name, got, c.want)
		}
	}
	denied := schema.Flow{Proto: 6, Event: 3}
	dropped := schema.Flow{Proto: 6, Forward: 0x80}
	if outcomeOf(&denied, true) != failed || outcomeOf(&dropped, true) != failed {
		t.Error("what a firewall denied did not fail")
	}
}
