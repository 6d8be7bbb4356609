package journal

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type line struct {
	Seq      int64  `json:"seq"`
	Text     string `json:"text"`
	Previous string `json:"previous"`
}

func add(t *testing.T, path string, end End, text string) End {
	t.Helper()
	end, err := Append(path, end, func(seq int64, previous string) any { return line{seq, text, previous} })
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// TestChain adds lines, and reads them back with what ties them together.
func TestChain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	end, err := Read(path, nil)
	if err != nil || end != (End{}) {
		t.Fatalf("no file: %+v, %v", end, err)
	}
	for _, text := range []string{"a <b>", "b", "c"} {
		end = add(t, path, end, text)
	}
	previous := ""
	got, err := Read(path, func(n int64, text []byte, hash string) error {
		var l line
		if err := json.Unmarshal(text, &l); err != nil || l.Seq != n || l.Previous != previous {
			t.Errorf("line %d: %s, want it behind %q", n, text, previous)
		}
		previous = hash
		return nil
	})
	if err != nil || got != end || end.Lines != 3 || end.Hash != previous {
		t.Errorf("%+v, want %+v, %v", got, end, err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "a <b>") {
		t.Errorf("the journal is hard to read: %s, %v", text, err)
	}
}

// TestTornLine leaves half a line, as a power cut does.
func TestTornLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	add(t, path, End{}, "a")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, `{"seq":2,"te`...), 0o600); err != nil {
		t.Fatal(err)
	}
	end, err := Read(path, nil)
	if err != nil || end.Lines != 2 || !end.Torn {
		t.Fatalf("%+v, %v", end, err)
	}
	want := add(t, path, end, "b")
	if got, err := Read(path, nil); err != nil || got != want || got.Lines != 3 {
		t.Errorf("%+v, want %+v, %v", got, want, err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Take(t.Context(), path, 0, "first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), path, 0, "second"); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "command first") {
		t.Errorf("a held lock: %v", err)
	}
	if holder, err := HeldBy(path); err != nil || !strings.Contains(holder, "command first") {
		t.Errorf("held by %q, %v", holder, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Take(ctx, path, 1<<40, "second"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, err := Take(t.Context(), path, 0, "second")
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
	for _, free := range []string{path, path + "-none"} {
		if holder, err := HeldBy(free); err != nil || holder != "" {
			t.Errorf("a free lock: %q, %v", holder, err)
		}
	}
	if holder := Holder(path); holder != "an unknown process" {
		t.Errorf("nobody has it, and it says %q", holder)
	}
	if err := (*Lock)(nil).Release(); err != nil {
		t.Error(err)
	}
}
