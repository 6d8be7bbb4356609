package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
)

// wrongThing puts something into the place of a file that is not what belongs there.
type wrongThing struct {
	name string
	put  func(path string) error
	long bool // takes long to read, so only some places have it
}

func wrongThings() []wrongThing {
	return []wrongThing{
		{"directory", func(path string) error { return os.Mkdir(path, 0o700) }, false},
		{"loop of links", func(path string) error { return os.Symlink(path, path) }, false},
		{"pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, false},
		{"device", func(path string) error { return os.Symlink("/dev/zero", path) }, false},
		{"empty file", func(path string) error { return os.WriteFile(path, nil, 0o600) }, false},
		{"huge file of nothing", func(path string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 1<<40)
		}, true},
	}
}

// wrongPlaces puts wrong things into the places of files. No command waits for
// ever or takes what it finds there for evidence: either the gap is told, or
// nothing was missing without the file.
func wrongPlaces(t *testing.T, h *hurtCluster) {
	places := []string{
		"PG_VERSION", "global/pg_control", "global/pg_filenode.map", "base/5/pg_filenode.map", "pg_xact/0000",
		"pg_multixact/offsets/0000", h.files["pg_class"], h.files["moods"], h.files["toast of wide"], segment(h.begin), "postmaster.pid", "base/5", "pg_wal",
	}
	for _, thing := range wrongThings() {
		t.Run(thing.name, func(t *testing.T) {
			t.Parallel()
			for i, place := range places {
				if thing.long && i%4 != 1 || testing.Short() && i%8 != 1 { // the race detector sees the same goroutines in each
					continue
				}
				v := h.copyOf(t, h.heap)
				if err := os.RemoveAll(v.path(place)); err != nil {
					t.Fatal(err)
				}
				if err := thing.put(v.path(place)); err != nil {
					t.Fatal(err)
				}
				r := v.undelete()
				whole := r.code == exitcode.Done
				if r.code != exitcode.Done && r.code != exitcode.Partial && r.code != exitcode.Insufficient {
					t.Errorf("%s: exit code %d (%s)\n%s", place, r.code, r.code, r.stderr)
				}
				lost := v.compare(r, func(string, int) bool { return !whole })
				told := strings.Contains(r.stderr, filepath.Base(place)) || strings.Contains(r.stderr, filepath.Dir(place))
				if !whole && !told {
					t.Errorf("%s: %d rows lost, and nothing names it\n%s", place, lost, r.stderr)
				}
			}
		})
	}
}

// wrongArguments names wrong things on the command line.
func wrongArguments(t *testing.T, h *hurtCluster) {
	folder := t.TempDir()
	for _, thing := range wrongThings() {
		path := filepath.Join(folder, thing.name)
		if err := thing.put(path); err != nil {
			t.Fatal(err)
		}
		for _, line := range [][]string{
			{"undelete", "--pgdata", path, "--xid", h.xid},
			{"undelete", "--pgdata", h.heap, "--wal", path, "--xid", h.xid},
			{"undelete", "--wal", filepath.Join(h.heap, "pg_wal"), "--catalog", path, "--xid", h.xid},
			{"wal", "transactions", path},
			{"wal", "summary", path},
			{"heap", "rows", "--pgdata", path, "--table", "plain"},
			{"catalog", "dump", "--pgdata", path, "-o", filepath.Join(folder, "catalog.json")},
		} {
			code, _, stderr := execute(t.Context(), line...)
			if code == exitcode.Done || code == exitcode.Failed {
				t.Errorf("%s: pgrescue %s: exit code %d (%s)\n%s", thing.name, strings.Join(line, " "), code, code, stderr)
			}
		}
	}
}
