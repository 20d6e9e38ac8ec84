package flowfile

import (
	"bytes"

	"github.com/scanhound/scanhound/schema"
)

func isJSON(first []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(first), []byte("{")) }

// readJSON reads one flow a line, as decode and goflow2 write them.
func readJSON(r *Reader, in *input, give func([]schema.Flow) bool) error {
	return readLines(r, in, give, func(line []byte, f *schema.Flow) (lineKind, error) {
		return aFlow, schema.ParseJSON(bytes.TrimSpace(line), f)
	})
}
