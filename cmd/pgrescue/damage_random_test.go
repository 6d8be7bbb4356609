package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
)

const (
	randomRounds = 30
	racedRounds  = 2       // with the race detector, which sees the same goroutines in each
	randomMemory = 2 << 30 // bytes that the whole test may have taken from the system
)

// randomDamage hurts some files in some places, and runs the commands over what
// is left. Nothing may panic or grow without bound; every exit code is one of the
// table; the balance holds. Where the catalogs are whole, every row that is
// delivered is one that was lost; where all is told to be done, all are.
func randomDamage(t *testing.T, h *hurtCluster) {
	rounds := uint64(randomRounds)
	if testing.Short() {
		rounds = racedRounds
	}
	for round := range rounds {
		t.Run(fmt.Sprintf("seed %d", round), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(round, 17))
			original := h.heap
			if round%3 == 0 {
				original = h.vacuum
			}
			v := h.copyOf(t, original)
			wholeCatalogs := round%2 == 0
			files := v.list(wholeCatalogs)
			var hurt []string
			for range 1 + random.IntN(6) {
				name := files[random.IntN(len(files))]
				hurt = append(hurt, name+": "+v.hurtAtRandom(name, random))
			}
			r := v.undelete()
			v.known(r.code, "undelete", r.stderr)
			if wholeCatalogs || r.code == exitcode.Done {
				v.compare(r, func(string, int) bool { return r.code != exitcode.Done })
			}
			out := filepath.Join(t.TempDir(), "catalog.json")
			for _, line := range [][]string{
				{"heap", "rows", "--pgdata", v.dir, "--table", "wide"},
				{"heap", "rows", "--pgdata", v.dir, "--table", "counters", "--carve"},
				{"wal", "transactions", filepath.Join(v.dir, "pg_wal"), "--pgdata", v.dir},
				{"wal", "summary", v.dir},
				{"catalog", "dump", "--pgdata", v.dir, "-o", out},
			} {
				code, _, stderr := execute(t.Context(), line...)
				v.known(code, strings.Join(line[:2], " "), stderr)
			}
			var memory runtime.MemStats
			if runtime.ReadMemStats(&memory); memory.Sys > randomMemory {
				t.Errorf("%d MiB of memory are taken", memory.Sys>>20)
			}
			if t.Failed() {
				t.Logf("hurt:\n%s\nstderr of undelete:\n%s", strings.Join(hurt, "\n"), r.stderr)
			}
		})
	}
}

// known fails for an exit code that says nothing of damage.
func (v *victim) known(code exitcode.Code, command, stderr string) {
	v.t.Helper()
	if !slices.Contains([]exitcode.Code{
		exitcode.Done, exitcode.Partial, exitcode.Insufficient, exitcode.NotFound, exitcode.Findings, exitcode.Usage, exitcode.Refused,
	}, code) {
		v.t.Errorf("%s: exit code %d (%s)\n%s", command, code, code, stderr)
	}
}

// list names the files of the data directory that damage may hit: without the
// catalogs, those of the loss, the WAL and what says how transactions ended.
func (v *victim) list(wholeCatalogs bool) []string {
	v.t.Helper()
	var files []string
	err := filepath.WalkDir(v.dir, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, v.dir+string(filepath.Separator))
		if err != nil || entry.IsDir() || strings.HasPrefix(name, "base/1/") || strings.HasPrefix(name, "base/4/") {
			return err
		}
		if !wholeCatalogs || strings.HasPrefix(name, "pg_wal/0") || strings.HasPrefix(name, "pg_xact") || strings.HasPrefix(name, "pg_multixact") {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		v.t.Fatal(err)
	}
	for _, table := range append(hurtTables(), "toast of wide") {
		files = append(files, v.files[table])
	}
	return files
}

// hurtAtRandom damages one file in one way, and says how.
func (v *victim) hurtAtRandom(name string, random *rand.Rand) string {
	if _, err := os.Stat(v.path(name)); err != nil {
		return "gone already"
	}
	kind := random.IntN(6)
	if kind == 0 {
		v.remove(name)
		return "removed"
	}
	how := ""
	v.edit(name, func(raw []byte) []byte {
		if len(raw) == 0 {
			how = "garbage"
			return []byte("garbage")
		}
		at := random.IntN(len(raw))
		length := min(1<<random.IntN(15), len(raw)-at)
		how = fmt.Sprintf("%d bytes at %d, kind %d", length, at, kind)
		switch kind {
		case 1:
			return raw[:at]
		case 2:
			clear(raw[at : at+length])
		case 3: // of another place of the file
			copy(raw[at:at+length], raw[random.IntN(len(raw)):])
		case 4:
			raw[at] ^= 1 << random.IntN(8)
		default:
			for i := range raw[at : at+length] {
				raw[at+i] = byte(random.Uint32())
			}
		}
		return raw
	})
	return how
}
