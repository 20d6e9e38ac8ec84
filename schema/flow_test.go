package schema_test

import (
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestWhatIsUntoldGoesWithItsSide(t *testing.T) {
	f := usual()
	f.Src.Untold, f.Dst.Untold = schema.UntoldPackets, schema.UntoldSent
	f.Swap()
	if f.Src.Untold != schema.UntoldSent || f.Dst.Untold != schema.UntoldPackets || !f.OneWay() {
		t.Errorf("%+v", f)
	}
	f.Swap()
	f.Dst.Untold = schema.UntoldBytes | schema.UntoldFlags
	if f.OneWay() {
		t.Error("a record that tells packets of both sides is of one way")
	}
}

func TestAFlowOfBeforeToldEverything(t *testing.T) {
	before := usual() // no field 1511, no "untold"
	var wire, line schema.Flow
	if _, err := schema.ReadFlow(schema.AppendFlow(nil, &before), &wire); err != nil {
		t.Fatal(err)
	}
	if err := schema.ParseJSON(schema.AppendJSON(nil, &before), &line); err != nil {
		t.Fatal(err)
	}
	if wire.Src.Untold|wire.Dst.Untold|line.Src.Untold|line.Dst.Untold != 0 || wire.OneWay() {
		t.Errorf("%+v\n%+v", wire, line)
	}
}

func TestARecordOfOneDirectionCostsThreeBytes(t *testing.T) {
	f := usual()
	told := len(schema.AppendFlow(nil, &f))
	f.Dst.Untold = schema.UntoldSent
	if n := len(schema.AppendFlow(nil, &f)) - told; n != 3 {
		t.Errorf("%d bytes", n)
	}
}
