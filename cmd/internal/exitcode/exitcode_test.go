package exitcode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

func TestOf(t *testing.T) {
	t.Parallel()
	_, missing := os.Open(filepath.Join(t.TempDir(), "missing"))
	if missing == nil {
		t.Fatal("opening a missing file gave no error")
	}
	tests := []struct {
		name string
		err  error
		want Code
	}{
		{"nothing", nil, Done},
		{"unknown", errors.New("the disk is full"), Failed},
		{"usage", Usagef("", "unknown flag"), Usage},
		{"permission", fmt.Errorf("open: %w", fs.ErrPermission), Permission},
		{"permission inside an evidence error", &evidence.Error{Op: "heap: open", Err: fs.ErrPermission}, Permission},
		{"damage", &evidence.Error{Op: "wal: open segment", Err: errors.New("not WAL")}, Insufficient},
		{"full disk", &evidence.Error{Op: "undelete: spool", Err: syscall.ENOSPC}, Failed},
		{"missing file", fmt.Errorf("wal: %w", missing), NotFound},
		{"partial", PartialIf(3), Partial},
		{"no gaps", PartialIf(0), Done},
		{"marked", With(Insufficient, errors.New("no WAL")), Insufficient},
		{"marked wins over what it wraps", With(Insufficient, fs.ErrNotExist), Insufficient},
		{"marked and wrapped", fmt.Errorf("undelete: %w", With(Refused, errors.New("no"))), Refused},
		{"cancelled", fmt.Errorf("scan: %w", context.Canceled), Interrupted},
		{"cancelled wins over partial", errors.Join(PartialIf(1), context.Canceled), Interrupted},
		{"time box", fmt.Errorf("scan: %w", context.DeadlineExceeded), TimeBox},
		{"marked nothing", With(Refused, nil), Done},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := Of(test.err); got != test.want {
				t.Errorf("Of(%v) = %d (%s), want %d (%s)", test.err, got, got, test.want, test.want)
			}
		})
	}
}

func TestTableHoldsEveryCodeOnce(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	previous := Code(-1)
	for _, entry := range Table() {
		if entry.Code <= previous {
			t.Errorf("code %d does not come after %d", entry.Code, previous)
		}
		if entry.Name == "" || entry.Meaning == "" || names[entry.Name] {
			t.Errorf("code %d: name %q or meaning %q is empty or taken", entry.Code, entry.Name, entry.Meaning)
		}
		if entry.Code.String() != entry.Name {
			t.Errorf("code %d prints as %q, want %q", entry.Code, entry.Code, entry.Name)
		}
		names[entry.Name], previous = true, entry.Code
	}
	for _, code := range []Code{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 124, 130} {
		if strings.HasPrefix(code.String(), "code ") {
			t.Errorf("code %d of the design is not in the table", code)
		}
	}
}

func TestHintOf(t *testing.T) {
	t.Parallel()
	place := &evidence.Error{Op: "wal: open segment", Place: "x", Err: fs.ErrNotExist, Hint: "look elsewhere"}
	tests := []struct {
		err  error
		want string
	}{
		{errors.New("plain"), ""},
		{place, "look elsewhere"},
		{fmt.Errorf("outer: %w", place), "look elsewhere"},
		{Hinted(place, "name the folder"), "name the folder"},
		{Usagef("see --help", "bad flag"), "see --help"},
		{fmt.Errorf("write rows: %w", syscall.ENOSPC), "make room, or write to another disk with -o; temporary files lie in the folder that TMPDIR names"},
		{&evidence.Error{Op: "write", Err: syscall.ENOSPC, Hint: "run it again"}, "run it again"},
	}
	for _, test := range tests {
		if got := HintOf(test.err); got != test.want {
			t.Errorf("HintOf(%v) = %q, want %q", test.err, got, test.want)
		}
	}
}
