package stream

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"16MB": 16 << 20, "1GB": 1 << 30, "1048576B": 1 << 20, "1024kB": 1 << 20, "-1": -1, "0": 0, "7": 7, "2TB": 2 << 40, "-1MB": -1,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "16 MB", "16MBMB", "sixteen", "16XB", "99999999999999999999"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestConflict(t *testing.T) {
	t.Parallel()
	page := func(text string) string { return text + strings.Repeat("\x00", pg.BlockSize-len(text)) }
	tests := []struct {
		name       string
		old, fresh string
		offset, at int64
		differs    bool
	}{
		{name: "the same", old: page("abc"), fresh: page("abc")},
		{name: "more now", old: page("abc"), fresh: page("abcdef")},
		{name: "nothing before", old: page(""), fresh: page("abc")},
		{name: "a page that did not reach the disk", old: page("") + page("x"), fresh: page("abc") + page("xy")},
		{name: "other bytes", old: page("abc"), fresh: page("abd"), differs: true},
		{name: "fewer now", old: page("abc"), fresh: page("ab"), differs: true},
		{name: "other bytes on the second page", old: page("a") + page("b"), fresh: page("a") + page("c"), at: pg.BlockSize, differs: true},
		{name: "within a page", old: "abc\x00", fresh: "abcd", offset: 5000},
		{name: "across pages", old: "ab\x00\x00xy", fresh: "abcdxy", offset: pg.BlockSize - 4},
		{name: "across pages, other bytes", old: "ab\x00\x00xy", fresh: "abcdxz", offset: pg.BlockSize - 4, at: pg.BlockSize, differs: true},
	}
	for _, test := range tests {
		if at, differs := conflict([]byte(test.old), []byte(test.fresh), test.offset); at != test.at || differs != test.differs {
			t.Errorf("%s: %d, %v, want %d, %v", test.name, at, differs, test.at, test.differs)
		}
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	p := path{{1, 0, 0x350000}, {2, 0x350000, 0x380000}, {4, 0x380000, 0}}
	for segment, want := range map[uint64]pg.TimelineID{0: 1, 2: 1, 3: 4, 9: 4} {
		if got := p.of(segment, size).timeline; got != want {
			t.Errorf("segment %d is of timeline %d, want %d", segment, got, want)
		}
	}
	for at, want := range map[pg.LSN]pg.TimelineID{0: 1, 0x34FFFF: 1, 0x350000: 2, 0x380000: 4, 0x900000: 4} {
		if got := p.at(at).timeline; got != want {
			t.Errorf("%s is on timeline %d, want %d", at, got, want)
		}
	}
}

func TestConnectionStrings(t *testing.T) {
	t.Parallel()
	pgpass := filepath.Join(t.TempDir(), "pgpass")
	text := "db:5432:replication:me:for replication\ndb:5432:mine:me:for mine\nother:5432:mine:me:only mine\n"
	if err := os.WriteFile(pgpass, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for dsn, want := range map[string]string{
		"host=db user=me dbname=mine passfile=" + pgpass:           "for replication",
		"postgres://me@db:5432/mine?passfile=" + pgpass:            "for replication",
		"host=other user=me dbname=mine passfile=" + pgpass:        "only mine",
		"host=db user=me password=given passfile=" + pgpass:        "given",
		"postgres://me:given@db,other:5433/x?passfile=" + pgpass:   "given",
		"host=db user=somebody passfile=" + pgpass:                 "",
		"host=db user=me port=5433 dbname=mine passfile=" + pgpass: "",
	} {
		config, err := parseDSN(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if config.Password != want || config.RuntimeParams["replication"] != "true" || config.RuntimeParams["application_name"] != applicationName {
			t.Errorf("%s: password %q, want %q; %v", dsn, config.Password, want, config.RuntimeParams)
		}
	}
}

// head is the first page of a segment as a server writes it.
func head(systemID uint64, address pg.LSN, size uint32) []byte {
	page := make([]byte, size)
	copy(page, []byte{0x10, 0xD1, 0x02, 0x00, 1, 0, 0, 0}) // magic, a long header, timeline 1
	put := func(at, bytes int, value uint64) {
		for i := range bytes {
			page[at+i] = byte(value >> (8 * i))
		}
	}
	put(8, 8, uint64(address))
	put(24, 8, systemID)
	put(32, 4, uint64(size))
	put(36, 4, pg.BlockSize)
	return page
}

func TestFolder(t *testing.T) {
	t.Parallel()
	const size, systemID = 1 << 20, 4711
	name := wal.SegmentName(1, 3, size)
	for _, test := range []struct {
		name  string
		files map[string][]byte
		want  error
		whole int
	}{
		{name: "empty"},
		{name: "other files", files: map[string][]byte{"notes.txt": []byte("x"), "00000002.history": nil, name + ".gz": nil}},
		{name: "whole", files: map[string][]byte{name: head(systemID, 3*size, size)}, whole: 1},
		{name: "partial", files: map[string][]byte{name + ".partial": head(systemID, 3*size, size)}},
		{name: "partial without a byte", files: map[string][]byte{name + ".partial": nil}},
		{name: "another cluster's", files: map[string][]byte{name: head(1, 3*size, size)}, want: ErrOtherSystem},
		{name: "another cluster's, partial", files: map[string][]byte{name + ".partial": head(1, 3*size, size)}, want: ErrOtherSystem},
		{name: "cut", files: map[string][]byte{name: head(systemID, 3*size, size)[:4096]}, want: ErrBadFolder},
		{name: "of another size", files: map[string][]byte{name: head(systemID, 3*size, 2*size)}, want: ErrBadFolder},
		{name: "recycled", files: map[string][]byte{name: head(systemID, 2*size, size)}, want: ErrBadFolder},
		{name: "zero", files: map[string][]byte{name: make([]byte, size)}, want: ErrBadFolder},
		{name: "pg_wal of a server", files: map[string][]byte{name: head(systemID, 3*size, size), "archive_status/" + name + ".done": nil}, want: ErrBadFolder},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, content := range test.files {
				path := filepath.Join(dir, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			f, err := openFolder(dir, Identity{SystemIdentifier: systemID, SegmentSize: size})
			if !errors.Is(err, test.want) || err == nil && test.want != nil {
				t.Fatalf("the error is %v, want %v", err, test.want)
			}
			if err == nil && len(f.whole) != test.whole {
				t.Errorf("%d segments are whole, want %d", len(f.whole), test.whole)
			}
		})
	}
	t.Run("a link in the way", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := openFolder(dir, Identity{SystemIdentifier: systemID, SegmentSize: size}); !errors.Is(err, ErrBadFolder) {
			t.Errorf("a folder with a segment's name gave %v", err)
		}
	})
	t.Run("another history", func(t *testing.T) {
		t.Parallel()
		f, err := openFolder(t.TempDir(), Identity{SystemIdentifier: systemID, SegmentSize: size})
		if err != nil {
			t.Fatal(err)
		}
		for content, want := range map[string]error{"1\t0/3000000\tno recovery target\n": nil} {
			for range 2 {
				if err := f.addHistory(historyFile{2, "00000002.history", []byte(content)}); !errors.Is(err, want) {
					t.Errorf("the error is %v, want %v", err, want)
				}
			}
		}
		if err := f.addHistory(historyFile{2, "00000002.history", []byte("1\t0/4000000\tother\n")}); !errors.Is(err, ErrOtherSystem) {
			t.Errorf("another history gave %v", err)
		}
	})
}

func TestWriterRefusesWhatTheServerHasNotWritten(t *testing.T) {
	t.Parallel()
	const size, systemID = 1 << 20, 4711
	dir := t.TempDir()
	mine := head(systemID, 3*size, size)[:3*pg.BlockSize]
	copy(mine[2*pg.BlockSize:], "WAL that the server lost when it was set back")
	name := filepath.Join(dir, wal.SegmentName(1, 3, size)+partialSuffix)
	if err := os.WriteFile(name, mine, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openFolder(dir, Identity{SystemIdentifier: systemID, SegmentSize: size})
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(f, 1, 3*size)
	theirs := head(systemID, 3*size, size)
	copy(theirs[2*pg.BlockSize:], "other WAL")
	err = w.put(3*size, theirs)
	if !errors.Is(err, ErrOtherSystem) || !strings.Contains(err.Error(), "offset 16384") {
		t.Errorf("the error is %v", err)
	}
	if err := w.end(3 * size); err != nil {
		t.Error(err)
	}
	kept, err := os.ReadFile(name)
	if err != nil || !strings.HasPrefix(string(kept), string(mine)) {
		t.Errorf("what the server lost is not kept: %v", err)
	}
}
