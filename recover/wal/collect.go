package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// collection is what the given paths hold.
type collection struct {
	files     []*segmentFile
	histories map[pg.TimelineID]history
	gaps      []Gap
}

// collect looks into every path: a data directory, a directory with WAL, a
// segment file or a history file. A path that was named must be readable; a file
// of a directory that is not costs only itself.
func collect(paths []string) (*collection, error) {
	c := &collection{histories: map[pg.TimelineID]history{}}
	if len(paths) == 0 {
		return nil, &evidence.Error{Op: "wal: open", Err: errors.New("no path was given")}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, openError(path, err)
		}
		if info.IsDir() {
			err = c.addDirectory(path)
		} else {
			err = c.addNamedFile(path)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// openError adds the hint that helps with a path that cannot be opened.
func openError(path string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, os.ErrPermission):
		hint = "run as a user who may read it, such as the one that owns the data directory, or copy it first"
	case errors.Is(err, os.ErrNotExist):
		hint = "give a data directory, a directory with WAL segments, or segment files"
	}
	var detail *os.PathError
	if errors.As(err, &detail) {
		err = detail.Err // the path is the error's place already
	}
	return &evidence.Error{Op: "wal: open", Place: path, Err: err, Hint: hint}
}

// addDirectory adds the segments of a WAL directory, or of a data directory's pg_wal.
func (c *collection) addDirectory(path string) error {
	switch _, err := os.Stat(filepath.Join(path, "pg_wal")); {
	case err == nil:
		path = filepath.Join(path, "pg_wal")
	case !errors.Is(err, os.ErrNotExist):
		return openError(filepath.Join(path, "pg_wal"), err)
	default:
		if _, err := os.Stat(filepath.Join(path, "PG_VERSION")); err == nil {
			return openError(filepath.Join(path, "pg_wal"), os.ErrNotExist)
		}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return openError(path, err)
	}
	for _, entry := range entries {
		full := filepath.Join(path, entry.Name())
		if err := c.addFile(full); err != nil {
			c.gaps = append(c.gaps, Gap{Segment: entry.Name(), What: "the file cannot be opened", Why: err.Error()})
		}
	}
	return nil
}

// addNamedFile adds a file that the caller named, which must be one of the log.
func (c *collection) addNamedFile(path string) error {
	before := len(c.files) + len(c.histories)
	if err := c.addFile(path); err != nil {
		return openError(path, err)
	}
	_, isSegment := parseSegmentName(filepath.Base(path))
	if !isSegment && len(c.files)+len(c.histories) == before && !strings.HasSuffix(path, historySuffix) {
		return &evidence.Error{
			Op: "wal: open", Place: path, Err: errors.New("the file name is not that of a WAL segment"),
			Hint: "a segment's name has 24 hexadecimal digits, such as 000000010000000000000001",
		}
	}
	return nil
}

// addFile adds one file by its name, and ignores one that is not of the log,
// such as a backup label or the directory of archive states.
func (c *collection) addFile(path string) error {
	base := filepath.Base(path)
	if timeline, ok := strings.CutSuffix(base, historySuffix); ok {
		id, ok := parseHex8(timeline)
		if !ok {
			return nil
		}
		h, err := readHistory(path)
		if err != nil {
			c.gaps = append(c.gaps, Gap{Segment: base, What: "the timeline's history cannot be read", Why: err.Error()})
			return nil
		}
		c.histories[pg.TimelineID(id)] = h
		return nil
	}
	name, ok := parseSegmentName(base)
	if !ok {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || c.has(name, info) {
		return nil
	}
	f := &segmentFile{
		Segment: Segment{Name: base, Path: path, Timeline: name.timeline, Partial: name.partial},
		name:    name, source: fileSource(path), info: info, size: info.Size(),
	}
	if f.err = f.probe(); errors.Is(f.err, os.ErrPermission) {
		return f.err
	}
	c.files = append(c.files, f)
	return nil
}

// has reports whether the very same file was given before.
func (c *collection) has(name segmentName, info os.FileInfo) bool {
	for _, f := range c.files {
		if f.name == name && f.info != nil && os.SameFile(f.info, info) {
			return true
		}
	}
	return false
}

// probe reads the first page's header.
func (f *segmentFile) probe() error {
	reader, err := f.source.open()
	if err != nil {
		return err
	}
	defer reader.Close() //nolint:errcheck // opened for reading only
	buf := make([]byte, longHeaderSize)
	if n, err := reader.ReadAt(buf, 0); n < len(buf) {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the file has only %d bytes", f.size)
		}
		return err
	}
	f.head, _ = decodePageHeader(buf)
	size := f.head.segSize
	f.headOK = f.head.info&pageLongHeader != 0 && f.head.info&^pageAllFlags == 0 &&
		size >= minSegmentSize && size <= maxSegmentSize && size&(size-1) == 0 &&
		f.head.address != 0 && f.head.address&pg.LSN(size-1) == 0
	return nil
}
