package logparse

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// textOf reads a source's lines as texts.
func textOf(t *testing.T, source *Source) []string {
	t.Helper()
	var lines []string
	for line, err := range source.Lines(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line.Text))
	}
	return lines
}

// found writes a log and finds it.
func found(t *testing.T, text string) *Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sources, _, err := Find(context.Background(), FindOptions{Paths: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 1 {
		t.Fatalf("%d sources, want 1", len(sources))
	}
	return sources[0]
}
