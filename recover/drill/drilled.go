package drill

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/runbook"
)

// drilledKey is the line of the front matter that says when a book was drilled last.
const drilledKey = "last drilled"

// Drilled is what is written there: the date, how long the runs took together, and on what.
func Drilled(at time.Time, scores []*Score) string {
	var took time.Duration
	version := ""
	for _, s := range scores {
		took += s.Took
		version = s.Version
	}
	text := fmt.Sprintf("%.0f min", took.Minutes())
	if took < time.Minute {
		text = fmt.Sprintf("%.0f s", max(1, took.Seconds()))
	}
	return fmt.Sprintf("%s, %s, PG %s", at.UTC().Format(time.DateOnly), text, version)
}

// Mark puts a line into the front matter of a book, in the place of the one that says the same
// thing. A book without front matter gets one. Nothing else changes.
func Mark(source []byte, drilled string) []byte {
	end := "\n"
	if first, _, _ := bytes.Cut(source, []byte("\n")); bytes.HasSuffix(first, []byte("\r")) {
		end = "\r\n"
	}
	line := drilledKey + ": " + drilled + end
	const fence = "---"
	all := strings.SplitAfter(string(source), "\n")
	if strings.TrimRight(all[0], "\r\n") != fence {
		return []byte(fence + end + line + fence + end + string(source))
	}
	for i, text := range all[1:] {
		switch name, _, _ := strings.Cut(text, ":"); {
		case strings.EqualFold(strings.TrimSpace(name), drilledKey):
			all[i+1] = line
		case strings.TrimRight(text, " \r\n") == fence:
			all[i+1] = line + text
		default:
			continue
		}
		return []byte(strings.Join(all, ""))
	}
	return source // front matter without an end: Parse has refused it
}

// WriteDrilled marks the book in a file. The file is another one in one moment.
func WriteDrilled(path, drilled string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("drill: mark the book: %w", err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("drill: mark the book: %w", err)
	}
	if err := runbook.ReplaceFile(path, Mark(source, drilled), info.Mode().Perm()); err != nil {
		return fmt.Errorf("drill: mark the book: %w", err)
	}
	return nil
}
