package yamlfile

// Nearest returns the one of known that takes the fewest edits to become word,
// or "" where even that one would have to be half rewritten.
func Nearest(word string, known []string) string {
	best, fewest := "", len(word)/2+1
	for _, k := range known {
		if d := edits(word, k); d < fewest {
			best, fewest = k, d
		}
	}
	return best
}

// edits is the Levenshtein distance of a and b in bytes, one row at a time.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
