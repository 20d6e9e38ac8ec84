package flowfile

import (
	"bytes"

	"github.com/scanhound/scanhound/schema"
)

// What -o 'fmt:%ts, %sa, %sp, %da, %dp, %byt, %pkt, %out, %pr, %flg' prints, or
// the same without %flg, is known by its shape: its header, where it has one,
// does not name the commas.

// nfdumpFmt are the columns, under the names that nfdump has for them.
const nfdumpFmt = "ts,sa,sp,da,dp,byt,pkt,out,pr,flg"

// nfdumpFmtHeader is the header without its many spaces; older releases call
// the first column a flow's start.
const nfdumpFmtHeader = "Date first seen Src IP Addr Src Pt Dst IP Addr Dst Pt Bytes Packets Output Proto"

func isNfdumpFmt(line []byte) bool {
	if isName(line) {
		words := bytes.Join(bytes.Fields(bytes.ReplaceAll(line, []byte(","), []byte(" "))), []byte(" "))
		words = bytes.Replace(words, []byte("Date flow start"), []byte("Date first seen"), 1)
		return bytes.HasPrefix(words, []byte(nfdumpFmtHeader))
	}
	if len(line) < len("2006-01-02") || line[4] != '-' {
		return false
	}
	p := planNfdumpFmt()
	p.columns[1].set, p.columns[3].set = nil, nil // the first addresses may be cut short
	return isRow(p, nfdumpRow{Flow: new(schema.Flow)}, line)
}

func planNfdumpFmt() plan[nfdumpRow] {
	p := nfdumpTable().mustPlan(nfdumpFmt)
	p.optional = 1
	return p
}

func readNfdumpFmt(r *Reader, in *input, give func([]schema.Flow) bool) error {
	n := nfdumpLines{table: nfdumpTable(), plan: planNfdumpFmt()}
	return readLines(r, in, give, n.parse)
}
