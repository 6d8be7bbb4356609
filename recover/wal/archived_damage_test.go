//go:build unix

package wal_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// archivedDamage is a way to hurt an archive, and what must come of it.
type archivedDamage struct {
	name   string
	suffix string // of the compression
	hurt   func(t *testing.T, h *hurt, path string, stored []byte) []byte
	gaps   []string
	lost   int // records; -1: at least one, and not all of the segment's
}

// hurtSegment is the one that is hurt, and the first record of it that may be lost.
const hurtSegment = 3

func archivedDamages() []archivedDamage {
	cut := func(_ *testing.T, _ *hurt, _ string, stored []byte) []byte { return stored[:len(stored)*2/3] }
	flip := func(_ *testing.T, _ *hurt, _ string, stored []byte) []byte {
		stored[len(stored)*2/3] ^= 0x55
		return stored
	}
	list := []archivedDamage{
		{"of no bytes", ".gz", func(_ *testing.T, _ *hurt, _ string, _ []byte) []byte { return nil }, []string{"only 0 bytes"}, -1},
		{"zeros", ".zst", func(_ *testing.T, _ *hurt, _ string, stored []byte) []byte { clear(stored); return stored }, []string{"does not begin as a .zst file does"}, -1},
		{"a checksum that does not fit", ".lz4", func(t *testing.T, _ *hurt, path string, stored []byte) []byte {
			name := strings.Replace(filepath.Base(path), ".lz4", "-"+sha1Of([]byte("other"))+".lz4", 1)
			writeFile(t, filepath.Join(filepath.Dir(path), name), stored)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			return nil
		}, []string{"may not be what was archived: the SHA-1 of its content is not the one in its name"}, 0},
		{"a bomb", ".gz", func(t *testing.T, h *hurt, _ string, _ []byte) []byte {
			return compress(t, append(h.segment(t, hurtSegment), make([]byte, 200<<20)...), "gzip", "-1", "-c")
		}, []string{"more than the 1048576 bytes of a segment"}, 0},
	}
	for suffix := range compressors() {
		if testing.Short() && suffix != ".gz" && suffix != ".zst" { // the race detector sees the same goroutines in each
			continue
		}
		list = append(list, archivedDamage{"cut " + suffix, suffix, cut, []string{""}, -1})
		if suffix != ".lz4" && suffix != ".br" && suffix != ".lzma" { // those have no checksum, or not by default
			list = append(list, archivedDamage{"flipped " + suffix, suffix, flip, []string{""}, -1})
		}
	}
	return list
}

// damagedArchives hurts one compressed segment of a plain log: what lies before the
// damage is read, all that is lost lies in a gap, and memory stays small.
func damagedArchives(t *testing.T, f *fixture) {
	for _, c := range archivedDamages() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := f.copy(t)
			stored := compress(t, h.segment(t, hurtSegment), compressors()[c.suffix]...)
			h.remove(t, hurtSegment)
			path := h.path(hurtSegment) + c.suffix
			writeFile(t, path, stored)
			hurt := c.hurt(t, h, path, bytes.Clone(stored))
			if _, err := os.Stat(path); err == nil {
				writeFile(t, path, hurt)
			}
			got := scan(t, []string{h.dir}, wal.OpenOptions{}, wal.ScanOptions{Workers: 2})
			lost := h.account(t, got)
			if (c.lost == 0) != (lost == 0) {
				t.Errorf("%d records are lost, want %d; gaps %v", lost, c.lost, got.gaps)
			}
			checkGaps(t, got.gaps, c.gaps)
		})
	}
	t.Run("the last one cut", func(t *testing.T) { t.Parallel(); cutLast(t, f) })
	t.Run("tar cut", func(t *testing.T) { t.Parallel(); cutTar(t, f) })
	t.Run("clusters", func(t *testing.T) { t.Parallel(); severalClusters(t, f) })
}

// cutLast cuts the last segment of a compressed archive while it holds WAL.
func cutLast(t *testing.T, f *fixture) {
	h := f.copy(t)
	last := len(h.names) - 2 // the last one holds little
	h.remove(t, last+1)
	stored := compress(t, h.segment(t, last), "gzip", "-1", "-c")
	h.remove(t, last)
	writeFile(t, h.path(last)+".gz", stored[:len(stored)/2])
	got := scan(t, []string{h.dir}, wal.OpenOptions{}, wal.ScanOptions{})
	checkGaps(t, got.gaps, []string{"the file was cut after"})
	end := slices.Max(got.lsns)
	if end/segmentSize != h.lsns[0]/segmentSize+pg.LSN(last) {
		t.Errorf("the last record is at %s: nothing of the cut segment was read", end)
	}
}

// cutTar cuts tar files in the middle: members before the cut are read.
func cutTar(t *testing.T, f *fixture) {
	for _, form := range []form{
		tarred("pg_wal.tar", "pg_wal.tar"), tarred("pg_wal.tar.gz", "pg_wal.tar.gz", "gzip", "-c"), tarred("pg_wal.tar.zst", "pg_wal.tar.zst", "zstd", "-q", "-c"),
	} {
		path := form.make(t, f, t.TempDir())[0]
		whole := read(t, path)
		writeFile(t, path, whole[:len(whole)/2])
		got := scan(t, []string{path}, wal.OpenOptions{}, wal.ScanOptions{})
		if len(got.gaps) == 0 || len(got.lsns) == 0 || len(got.lsns) >= len(f.lsns) {
			t.Errorf("%s: %d of %d records, gaps %v", form.name, len(got.lsns), len(f.lsns), got.gaps)
		}
		sameRecords(t, got.records, f.describe[:len(got.records)])
	}
}

// severalClusters has a repository whose stanza was upgraded: the older cluster has
// more segments, the newer one is read, and the older one if it is asked for.
func severalClusters(t *testing.T, f *fixture) {
	dir := t.TempDir()
	var systemID uint64
	for i := range f.names {
		for id, folder := range []string{"archive/demo/15-1", "archive/demo/15-2"} {
			content := f.segment(t, i)
			if i > 4 && id == 1 {
				continue
			}
			systemID = binary.LittleEndian.Uint64(content[24:])
			if id == 1 {
				content[24]++ // of the system identifier
			}
			full := filepath.Join(dir, folder, f.names[i][:16], f.names[i]+"-"+sha1Of(content))
			if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
				t.Fatal(err)
			}
			writeFile(t, full, content)
		}
	}
	writeFile(t, filepath.Join(dir, "archive/demo/archive.info"), nil)
	for wanted, records := range map[uint64]int{0: 0, systemID: len(f.lsns)} {
		a, err := wal.OpenArchive([]string{dir}, wal.OpenOptions{SystemIdentifier: wanted})
		if err != nil {
			t.Fatal(err)
		}
		got := scanArchive(t, a, wal.ScanOptions{})
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if (wanted == systemID) != (a.SystemIdentifier() == systemID) || len(got.gaps) > 0 || records > 0 && len(got.lsns) != records {
			t.Errorf("asked for %d: read %d, %d records, gaps %v", wanted, a.SystemIdentifier(), len(got.lsns), got.gaps)
		}
	}
}
