package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// writeSegment writes the seed as a segment file, changed as wanted, and returns its path.
func writeSegment(t *testing.T, dir string, change func(data []byte) []byte) string {
	t.Helper()
	data := seed(t)
	address := binary.LittleEndian.Uint64(data[8:])
	path := filepath.Join(dir, formatSegmentName(1, address>>20, minSegmentSize))
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func unchanged(data []byte) []byte { return data }

func TestOpenArchiveRefuses(t *testing.T) {
	t.Parallel()
	setMagic := func(magic uint16) func([]byte) []byte {
		return func(data []byte) []byte { binary.LittleEndian.PutUint16(data, magic); return data }
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string) []string
		is   error  // wrapped, if not nil
		text string // part of the message
	}{
		{"no path", func(*testing.T, string) []string { return nil }, nil, "no path"},
		{"no such path", func(_ *testing.T, dir string) []string { return []string{filepath.Join(dir, "nowhere")} }, os.ErrNotExist, "nowhere"},
		{"empty directory", func(_ *testing.T, dir string) []string { return []string{dir} }, nil, "no WAL segment"},
		{"data directory without pg_wal", func(t *testing.T, dir string) []string {
			writeText(t, filepath.Join(dir, "PG_VERSION"), "15\n")
			return []string{dir}
		}, os.ErrNotExist, "pg_wal"},
		{"another file", func(t *testing.T, dir string) []string {
			writeText(t, filepath.Join(dir, "notes.txt"), "x")
			return []string{filepath.Join(dir, "notes.txt")}
		}, nil, "not that of a WAL segment"},
		{"zero-filled", func(t *testing.T, dir string) []string {
			return []string{writeSegment(t, dir, func(data []byte) []byte { clear(data); return data })}
		}, nil, "zero"},
		{"empty file", func(t *testing.T, dir string) []string {
			return []string{writeSegment(t, dir, func(data []byte) []byte { return data[:0] })}
		}, nil, "0 bytes"},
		{"unknown magic", func(t *testing.T, dir string) []string {
			return []string{writeSegment(t, dir, setMagic(0xBEEF))}
		}, nil, "unknown page magic 0xBEEF"},
		{"text", func(t *testing.T, dir string) []string {
			return []string{writeSegment(t, dir, func(data []byte) []byte { return []byte(strings.Repeat("text", 10000)) })}
		}, nil, "unknown page magic 0x6574"},
		{"pages of another size", func(t *testing.T, dir string) []string {
			return []string{writeSegment(t, dir, func(data []byte) []byte {
				binary.LittleEndian.PutUint32(data[36:], 16384)
				return data
			})}
		}, nil, "16384 bytes are not supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := OpenArchive(c.make(t, t.TempDir()), OpenOptions{})
			if err == nil || !strings.Contains(err.Error(), c.text) || (c.is != nil && !errors.Is(err, c.is)) {
				t.Fatalf("error %v, want one with %q that is %v", err, c.text, c.is)
			}
			var detail *evidence.Error
			if !errors.As(err, &detail) || !strings.HasPrefix(err.Error(), "wal: ") {
				t.Errorf("%v does not say operation, place and cause", err)
			}
		})
	}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// refused is a segment whose file may not be opened.
type refused struct{}

func (refused) open(int64) (segmentReader, error) {
	return nil, &os.PathError{Op: "open", Path: "x", Err: os.ErrPermission}
}

// A test that runs as root can open everything, so the refusal is played.
func TestPermissionIsSaid(t *testing.T) {
	t.Parallel()
	err := (&segmentFile{source: refused{}}).probe()
	if err := openError("x", err); !errors.Is(err, os.ErrPermission) || err.Error() != "wal: open x: permission denied" {
		t.Errorf("error %v", err)
	}
	var detail *evidence.Error
	if !errors.As(openError("x", err), &detail) || !strings.Contains(detail.Hint, "may read it") {
		t.Errorf("no hint: %+v", detail)
	}
}

// What is opened is not changed, and few files stay open.
func TestArchiveKeepsFewFilesOpen(t *testing.T) {
	t.Parallel()
	c := &collection{}
	data := seed(t)
	for i := range uint64(40) {
		segment := make([]byte, len(data))
		copy(segment, data)
		for page := 0; page < len(segment); page += pg.BlockSize {
			address := binary.LittleEndian.Uint64(segment[page+8:])
			binary.LittleEndian.PutUint64(segment[page+8:], address+i<<20)
		}
		c.files = append(c.files, memoryFile(t, segment, 0))
	}
	a, err := assemble(c, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = walk(t, a, ScanOptions{SkipCRC: true})
	if len(a.open) > maxOpen || len(a.log) != 40 {
		t.Errorf("%d files are open, %d in the log", len(a.open), len(a.log))
	}
	if err := a.Close(); err != nil || len(a.open) != 0 {
		t.Errorf("closed: %v, %d files are open", err, len(a.open))
	}
}

func TestScanStops(t *testing.T) {
	t.Parallel()
	path := writeSegment(t, t.TempDir(), unchanged)
	a, err := OpenArchive([]string{path}, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // opened for reading only
	enough := errors.New("enough")
	nothing := func() *int { return new(int) }
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx          context.Context
		visit, merge error
		want         error
	}{
		"by the visitor": {t.Context(), enough, nil, enough},
		"by the merger":  {t.Context(), nil, enough, enough},
		"by the context": {cancelled, nil, nil, context.Canceled},
	} {
		err := Scan(c.ctx, a, ScanOptions{}, nothing,
			func(*int, *Record) error { return c.visit }, func(*int, *Span) error { return c.merge })
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// The walk allocates for spans, never for records.
func TestScanAllocatesNothingPerRecord(t *testing.T) {
	path := writeSegment(t, t.TempDir(), unchanged)
	a, err := OpenArchive([]string{path}, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // opened for reading only
	s := newScanner(t.Context(), a, &ScanOptions{})
	var result spanResult
	records := 0
	visit := func(*Record) error { records++; return nil }
	span := a.cut(ScanOptions{})[0]
	allocs := testing.AllocsPerRun(20, func() {
		if err := s.scan(span, &result, visit); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 || records < 21*50 {
		t.Errorf("%v allocations a scan, %d records in all", allocs, records)
	}
}

// TestFolderOfRefusedSegments has segments, none of which may be opened: that is
// said, and not that there is none.
func TestFolderOfRefusedSegments(t *testing.T) {
	t.Parallel()
	c := &collection{histories: map[pg.TimelineID]history{}}
	if c.refuse(&segmentFile{Segment: Segment{Name: "1", Path: "pg_wal/1"}}, &os.PathError{Op: "open", Path: "pg_wal/1", Err: os.ErrPermission}); len(c.gaps) != 1 {
		t.Errorf("gaps %+v", c.gaps)
	}
	_, err := assemble(c, OpenOptions{})
	if !errors.Is(err, os.ErrPermission) || errors.Is(err, ErrNoSegment) || !strings.Contains(err.Error(), "pg_wal/1") {
		t.Errorf("error %v", err)
	}
}
