package undelete_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// cellOutcome is what one rescue of a cell gave.
type cellOutcome struct {
	whole, notLost bool
	limit          string // why it cannot be whole
}

// cellResult is a cell over all versions.
type cellResult struct {
	versions []string
	words    []string // what the versions gave, each once
}

func (o cellOutcome) word() string {
	switch {
	case o.limit != "":
		return o.limit
	case o.notLost:
		return "not lost"
	case o.whole:
		return "**all**"
	}
	return "FAILED"
}

func (r *matrixResults) add(k *lossKind, fate, version string, outcome cellOutcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{k.name, fate}
	cell := r.cells[key]
	if cell == nil {
		cell = new(cellResult)
		r.cells[key] = cell
	}
	cell.versions = append(cell.versions, version)
	if word := outcome.word(); !slices.Contains(cell.words, word) {
		cell.words = append(cell.words, word)
	}
}

// markdown is the matrix as a table: a row for each kind of loss, a column for each fate.
func (r *matrixResults) markdown() string {
	var b strings.Builder
	b.WriteString("| loss | versions |")
	for _, f := range fates() {
		fmt.Fprintf(&b, " %s |", f.name)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(fates())) + "\n")
	var notes []string
	for _, k := range kinds() {
		cells, versions := "", []string(nil)
		for _, f := range fates() {
			cell := r.cells[[2]string{k.name, f.name}]
			if cell == nil {
				cells += " not run |"
				continue
			}
			versions = cell.versions
			words := make([]string, len(cell.words))
			for i, word := range cell.words {
				words[i] = word
				if limit := k.limits[f.name]; word == limit.why {
					at := slices.Index(notes, word)
					if at < 0 {
						at = len(notes)
						notes = append(notes, word)
					}
					words[i] = fmt.Sprintf("note %d", at+1)
				}
			}
			slices.Sort(words)
			cells += " " + strings.Join(words, ", ") + " |"
		}
		fmt.Fprintf(&b, "| %s | %s |%s\n", k.name, versionRange(versions), cells)
	}
	b.WriteString("\n")
	for i, note := range notes {
		fmt.Fprintf(&b, "%d. %s\n", i+1, note)
	}
	return b.String()
}

// versionRange writes versions as first–last; no matrix row has a hole.
func versionRange(versions []string) string {
	if len(versions) == 0 {
		return "none"
	}
	slices.Sort(versions)
	return versions[0] + "–" + versions[len(versions)-1]
}

const (
	matrixBegin = "<!-- matrix:begin -->\n"
	matrixEnd   = "<!-- matrix:end -->"
	matrixFile  = "../README.md"
)

// compareMatrix fails unless the map of the rooms has the matrix as it was just
// measured. With PGRESCUE_WRITE_MATRIX set it writes it there.
func compareMatrix(t *testing.T, measured string) {
	t.Helper()
	content, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), matrixBegin)
	documented, after, closed := strings.Cut(rest, matrixEnd)
	if !found || !closed {
		t.Fatalf("%s has no place for the matrix", matrixFile)
	}
	if documented == measured {
		return
	}
	if os.Getenv("PGRESCUE_WRITE_MATRIX") == "" {
		t.Errorf("%s has another matrix; look at the difference, and run this test with PGRESCUE_WRITE_MATRIX=1 to write it", matrixFile)
		return
	}
	if err := os.WriteFile(matrixFile, []byte(before+matrixBegin+measured+matrixEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
