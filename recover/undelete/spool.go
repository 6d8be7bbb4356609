package undelete

import (
	"fmt"
	"os"

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

// ref is where a string lies in a spool; the zero ref is no string.
type ref struct {
	at     int64
	length uint32
}

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
			return ref{}, err
		}
	}
	r := ref{at: s.size, length: uint32(len(b))}
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
	r := ref{at: int64(last)*spoolSlab + int64(len(s.slabs[last])), length: uint32(len(b))}
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

// get returns a string, in scratch if it has to be read from the file.
func (s *spool) get(r ref, scratch []byte) ([]byte, error) {
	if r.at < s.kept {
		slab, at := s.slabs[r.at/spoolSlab], r.at%spoolSlab
		return slab[at : at+int64(r.length) : at+int64(r.length)], nil
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	scratch = append(scratch[:0], make([]byte, r.length)...)
	if _, err := s.file.ReadAt(scratch, r.at-s.kept); err != nil {
		return nil, fmt.Errorf("undelete: read temporary file: %w", err)
	}
	return scratch, nil
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
