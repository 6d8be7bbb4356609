package preserve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoRoom: what would not fit is not begun, and the hint says what to leave out.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	data, folder := t.TempDir(), filepath.Join(t.TempDir(), "case", "evidence")
	for name, size := range map[string]int{"PG_VERSION": 0, "base": 100 << 10} {
		if err := os.WriteFile(filepath.Join(data, name), append([]byte("15\n"), make([]byte, size)...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(data, walFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	free := margin(0) // as much as has to stay free, and no more
	options := Options{Folder: folder, DataDir: data, Free: func(string) (int64, error) { return free, nil }}
	memory := &Memory{path: filepath.Join(t.TempDir(), MemoryName)}
	_, err := Capture(t.Context(), options, memory)
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), folder) {
		t.Fatalf("it ended with %v", err)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("something was begun: %v", err)
	}
	free += 1 << 20
	if _, err := Capture(t.Context(), options, memory); err != nil {
		t.Errorf("with room it ended with %v", err)
	}
	free = 0 // nothing is left to be copied
	if _, err := Capture(t.Context(), options, memory); err != nil {
		t.Errorf("after all was copied it ended with %v", err)
	}
}

// TestSlotGuard: a slot never holds more than the disk bears, and none is made where nobody can say how much that is.
func TestSlotGuard(t *testing.T) {
	t.Parallel()
	const gb = 1 << 30
	for _, test := range []struct {
		name    string
		state   slotState
		version int
		room    int64
		guard   int64
		why     string
	}{
		{"half of the room", slotState{keep: -1, walSize: gb}, 150000, 10 * gb, 5 * gb, ""},
		{"a limit is set", slotState{keep: 100, walSize: gb}, 150000, 10 * gb, 0, ""},
		{"nobody knows the room", slotState{keep: -1, walSize: gb}, 150000, -1, 2 * gb, ""},
		{"another slot holds more", slotState{keep: -1, walSize: gb, mostBehind: 8 * gb}, 150000, 10 * gb, 0, "another slot"},
		{"a full disk", slotState{keep: 100, walSize: gb}, 150000, gb / 2, 0, "could fill the disk"},
		{"12, much room", slotState{keep: -1, walSize: gb}, 120000, 4 * gb, 0, ""},
		{"12, little room", slotState{keep: -1, walSize: gb}, 120000, 4*gb - 1, 0, "too few for a slot without it"},
		{"12, nobody knows", slotState{keep: -1, walSize: gb}, 120000, -1, 0, "PostgreSQL 12 has no"},
	} {
		guard, why := test.state.guard(test.version, test.room)
		if guard != test.guard || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
			t.Errorf("%s: %d MB, %q", test.name, guard>>20, why)
		}
	}
}
