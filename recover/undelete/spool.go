package undelete

import (
	"fmt"
	"os"
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// spool keeps byte strings in the order in which they come; beyond its budget
// they go to a temporary file without a name.
type spool struct {
	slabs  [][]byte // in memory: strings one after the other, none across two slabs
	budget int      // bytes in memory
	kept   int64    // bytes in the slabs, what their ends leave free counted too
	file   *os.File
	size   int64
	buffer []byte // not yet written to file
}

// ref is where a string lies in a spool: its place in the upper 40 bits, its
// length in the lower 24. The zero ref is no string. There is one for each
// destroyed version, so it is as small as can be.
type ref uint64

const refLengthBits = 24

func newRef(at int64, length int) ref { return ref(at)<<refLengthBits | ref(length) }

func (r ref) at() int64   { return int64(r >> refLengthBits) }
func (r ref) length() int { return int(r & (1<<refLengthBits - 1)) }

// part is a piece of the string.
func (r ref) part(from, length int) ref { return newRef(r.at()+int64(from), length) }

const (
	spoolBuffer = 1 << 20
	spoolSlab   = 1 << 20 // more than a tuple of a page or a chunk can have
)

func (s *spool) add(b []byte) (ref, error) {
	if s.file == nil && len(b) <= spoolSlab && s.kept < int64(s.budget) {
		return s.keep(b), nil
	}
	if s.file == nil {
		s.size = max(s.size, s.kept)
		if err := s.open(); err != nil {
			return 0, err
		}
	}
	r := newRef(s.size, len(b))
	s.size += int64(len(b))
	s.buffer = append(s.buffer, b...)
	if len(s.buffer) >= spoolBuffer {
		return r, s.flush()
	}
	return r, nil
}

// keep puts a string into the last slab, or into a new one.
func (s *spool) keep(b []byte) ref {
	last := len(s.slabs) - 1
	if last < 0 || cap(s.slabs[last])-len(s.slabs[last]) < len(b) {
		s.slabs = append(s.slabs, make([]byte, 0, spoolSlab))
		last++
		s.kept += spoolSlab
	}
	r := newRef(int64(last)*spoolSlab+int64(len(s.slabs[last])), len(b))
	s.slabs[last] = append(s.slabs[last], b...)
	return r
}

// temporary is an error of the temporary file, with what a person can do.
func temporary(op string, err error) error {
	return &evidence.Error{Op: op, Err: err, Hint: "set TMPDIR to a folder on a disk with room for the lost rows"}
}

// open makes the temporary file; its name goes at once, its space with the process.
func (s *spool) open() error {
	file, err := os.CreateTemp("", "pgrescue-tuples-")
	if err != nil {
		return temporary("make temporary file", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("undelete: unlink temporary file: %w", err)
	}
	s.file = file
	return nil
}

func (s *spool) flush() error {
	if len(s.buffer) == 0 {
		return nil
	}
	at := s.size - int64(len(s.buffer)) - s.kept
	if _, err := s.file.WriteAt(s.buffer, at); err != nil {
		return temporary("write temporary file", err)
	}
	s.buffer = s.buffer[:0]
	return nil
}

// spoolReader reads strings back. What it returns is valid until its next call;
// readers of one spool do not disturb each other.
type spoolReader struct {
	spool  *spool
	window []byte // of the file, from at on
	at     int64
}

const spoolWindow = 256 << 10

// get returns a string.
func (r *spoolReader) get(place ref) ([]byte, error) {
	s, at, length := r.spool, place.at(), place.length()
	if at < s.kept {
		slab, from := s.slabs[at/spoolSlab], int(at%spoolSlab)
		return slab[from : from+length : from+length], nil
	}
	if at < r.at || at+int64(length) > r.at+int64(len(r.window)) {
		if err := r.read(at, length); err != nil {
			return nil, err
		}
	}
	from := int(at - r.at)
	return r.window[from : from+length : from+length], nil
}

// read fills the window. Strings are mostly read in the order in which they were
// written, so one that lies a little behind the window brings those behind it along.
func (r *spoolReader) read(at int64, length int) error {
	s := r.spool
	if err := s.flush(); err != nil {
		return err
	}
	size := length
	if end := r.at + int64(len(r.window)); at >= end && at < end+spoolWindow {
		size = max(length, int(min(spoolWindow, s.size-at)))
	}
	r.at, r.window = at, slices.Grow(r.window[:0], size)[:size]
	if _, err := s.file.ReadAt(r.window, at-s.kept); err != nil {
		r.window = r.window[:0]
		return fmt.Errorf("undelete: read temporary file: %w", err)
	}
	return nil
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
