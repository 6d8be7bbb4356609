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
	"github.com/pgrescue/pgrescue/recover/wal/archives"
)

// collection is what the given paths hold.
type collection struct {
	store     *archives.Store // nil in tests that make files themselves
	files     []*segmentFile
	histories map[pg.TimelineID]history
	gaps      []Gap
	taken     int   // files of the store that were looked at
	refused   error // of the first segment that may not be opened; nil: none
}

// collect looks into every path: a data directory, a directory or an archive with
// WAL, a tar file, a segment file or a history file. A path that was named must be
// readable; a file of a directory that is not costs only itself.
func collect(paths []string, opts OpenOptions) (*collection, error) {
	c := &collection{
		histories: map[pg.TimelineID]history{},
		store:     &archives.Store{Trail: opts.Trail, Progress: opts.Progress, Interrupted: opts.Interrupted},
	}
	if len(paths) == 0 {
		return nil, &evidence.Error{Op: "wal: open", Err: errors.New("no path was given")}
	}
	for _, path := range paths {
		if err := c.addPath(path); err != nil {
			return nil, errors.Join(err, c.store.Close())
		}
	}
	for _, p := range c.store.Problems {
		c.gaps = append(c.gaps, Gap{Segment: p.Name, What: p.What, Why: p.Why})
	}
	return c, nil
}

func (c *collection) addPath(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return openError(path, err)
	}
	if info.IsDir() {
		err = c.addDirectory(path)
	} else {
		err = c.addNamedFile(path)
	}
	if err != nil {
		return err
	}
	return c.take(path, info.IsDir())
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
	var sealed *archives.Encrypted
	if errors.As(err, &sealed) {
		hint = sealed.Hint
	}
	var detail *os.PathError
	if errors.As(err, &detail) {
		err = detail.Err // the path is the error's place already
	}
	return &evidence.Error{Op: "wal: open", Place: path, Err: err, Hint: hint}
}

// addDirectory adds the segments of a WAL directory, of a data directory's
// pg_wal, or of an archive.
func (c *collection) addDirectory(path string) error {
	switch _, err := os.Stat(filepath.Join(path, "pg_wal")); {
	case errors.Is(err, os.ErrPermission):
		return openError(path, err) // the folder itself hides what is in it
	case err == nil:
		path = filepath.Join(path, "pg_wal")
	case !errors.Is(err, os.ErrNotExist):
		return openError(filepath.Join(path, "pg_wal"), err)
	default:
		if _, err := os.Stat(filepath.Join(path, "PG_VERSION")); err == nil {
			return openError(filepath.Join(path, "pg_wal"), os.ErrNotExist)
		}
	}
	if err := c.store.AddDirectory(path); err != nil {
		return openError(path, err)
	}
	return nil
}

// addNamedFile adds a file that the caller named, which must be one of the log.
func (c *collection) addNamedFile(path string) error {
	known, err := c.store.AddFile(path)
	if err != nil {
		return openError(path, err)
	}
	if !known && !strings.HasSuffix(path, archives.HistorySuffix) {
		return &evidence.Error{
			Op: "wal: open", Place: path, Err: errors.New("the file name is not that of a WAL segment"),
			Hint: "a segment's name has 24 hexadecimal digits, such as 000000010000000000000001, and perhaps the suffixes of an archiver; " +
				"tar files of pg_basebackup are known by their content",
		}
	}
	return nil
}

// take looks at the files that a path added. A file that somebody named must be
// readable, and a path whose segments all are encrypted is refused.
func (c *collection) take(path string, isDir bool) error {
	var sealed error
	readable := 0
	for _, found := range c.store.Files[c.taken:] {
		if found.History {
			c.addHistory(found)
			continue
		}
		f := fileOf(found)
		switch f.err = f.probe(); {
		case errors.Is(f.err, os.ErrPermission) && !isDir:
			return openError(path, f.err)
		case errors.Is(f.err, os.ErrPermission):
			c.refuse(f, f.err)
			continue
		case errors.Is(f.err, archives.ErrEncrypted):
			if sealed == nil {
				sealed = f.err
			}
		default:
			readable++
		}
		c.files = append(c.files, f)
	}
	c.taken = len(c.store.Files)
	if sealed != nil && readable == 0 {
		return openError(path, sealed)
	}
	return nil
}

// refuse leaves out a segment of a folder that may not be opened. That is the error
// only if there is no other.
func (c *collection) refuse(f *segmentFile, err error) {
	c.gaps = append(c.gaps, Gap{Segment: f.Name, What: "the file cannot be opened", Why: err.Error()})
	if c.refused == nil {
		c.refused = openError(f.Path, err)
	}
}

func (c *collection) addHistory(found *archives.File) {
	timeline, _ := parseHex8(strings.TrimSuffix(found.Base, archives.HistorySuffix)) // checked by ParseName
	c.store.Trail.Note(found.Holder(), evidence.KindHistory)
	text, err := found.Content(maxHistorySize)
	var h history
	if err == nil {
		h, err = parseHistory(string(text))
	}
	if err != nil {
		c.gaps = append(c.gaps, Gap{Segment: found.Base, What: "the timeline's history cannot be read", Why: err.Error()})
		return
	}
	c.histories[pg.TimelineID(timeline)] = h
}

// fileOf makes a segment file of what was found.
func fileOf(found *archives.File) *segmentFile {
	name, _ := parseSegmentName(found.Base) // checked by ParseName, but for a timeline of 0
	return &segmentFile{
		Segment: Segment{Name: found.Base, Path: found.Path, Timeline: name.timeline, Partial: name.partial},
		name:    name, source: archived{found}, holder: found.Holder(), rank: found.Rank, size: found.Stored(), sealed: found.Checksum != "",
	}
}

// probe reads the first page's header.
func (f *segmentFile) probe() error {
	reader, err := f.source.open(pg.BlockSize) // of a compressed file, no more than the first page
	if err != nil {
		return err
	}
	defer reader.Close() //nolint:errcheck // opened for reading only
	if wrapped, ok := reader.(interface{ Compression() string }); ok && wrapped.Compression() != "" {
		f.Compression, f.sealed, f.size = wrapped.Compression(), true, maxSegmentSize
	}
	buf := make([]byte, longHeaderSize)
	if n, err := reader.ReadAt(buf, 0); n < len(buf) {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the file has only %d bytes", n)
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
