package undelete

import (
	"fmt"
	"os"
)

// spool keeps byte strings in the order in which they come; beyond its budget
// they go to a temporary file without a name.
type spool struct {
	memory []byte
	budget int
	file   *os.File
	size   int64
	buffer []byte // not yet written to file
}

// ref is where a string lies in a spool; the zero ref is no string.
type ref struct {
	at     int64
	length uint32
}

const spoolBuffer = 1 << 20

func (s *spool) add(b []byte) (ref, error) {
	r := ref{at: s.size, length: uint32(len(b))}
	s.size += int64(len(b))
	if s.file == nil && len(s.memory)+len(b) <= s.budget {
		s.memory = append(s.memory, b...)
		return r, nil
	}
	if s.file == nil {
		if err := s.open(); err != nil {
			return r, err
		}
	}
	s.buffer = append(s.buffer, b...)
	if len(s.buffer) >= spoolBuffer {
		return r, s.flush()
	}
	return r, nil
}

// open makes the temporary file; its name goes at once, its space with the process.
func (s *spool) open() error {
	file, err := os.CreateTemp("", "pgrescue-tuples-")
	if err != nil {
		return fmt.Errorf("undelete: make temporary file: %w", err)
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
	at := s.size - int64(len(s.buffer)) - int64(len(s.memory))
	if _, err := s.file.WriteAt(s.buffer, at); err != nil {
		return fmt.Errorf("undelete: write temporary file: %w", err)
	}
	s.buffer = s.buffer[:0]
	return nil
}

// get returns a string, in scratch if it has to be read from the file.
func (s *spool) get(r ref, scratch []byte) ([]byte, error) {
	if end := r.at + int64(r.length); end <= int64(len(s.memory)) {
		return s.memory[r.at:end:end], nil
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	scratch = append(scratch[:0], make([]byte, r.length)...)
	if _, err := s.file.ReadAt(scratch, r.at-int64(len(s.memory))); err != nil {
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
