package restore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// digest stands for the values of a key or of a row.
type digest [16]byte

// digestOf hashes values. Whether one is NULL or unknown counts too.
func digestOf(values []evidence.Value) digest {
	sum := sha256.New()
	var head [9]byte
	for i := range values {
		head[0] = byte(values[i].State)
		binary.LittleEndian.PutUint64(head[1:], uint64(len(values[i].Text)))
		sum.Write(head[:])
		sum.Write(values[i].Text)
	}
	return cut(sum.Sum(nil))
}

// digestOfRow stands for a row of the plan.
func digestOfRow(table int, seq int64) digest {
	var text [16]byte
	binary.LittleEndian.PutUint64(text[:], uint64(table))
	binary.LittleEndian.PutUint64(text[8:], uint64(seq))
	sum := sha256.Sum256(text[:])
	return cut(sum[:])
}

func cut(sum []byte) digest {
	var d digest
	copy(d[:], sum)
	d[15] |= 1 // all zeros is an empty slot
	return d
}

// keySet is a map of digests to numbers in a file, so that the plan of many rows takes
// no more memory than that of few. It is an open hash table.
type keySet struct {
	file  *os.File
	slots uint64 // a power of two
	used  uint64
}

const (
	slotSize   = 24
	firstSlots = 1 << 10
)

// newKeySet makes an empty set. Its file has no name: it goes with the process.
func newKeySet() (*keySet, error) {
	file, err := scratchFile()
	if err != nil {
		return nil, err
	}
	return &keySet{file: file, slots: firstSlots}, nil
}

// scratchFile makes a file that is gone when it is closed.
func scratchFile() (*os.File, error) {
	const op = "restore: make a file for temporary data in"
	file, err := os.CreateTemp("", "pgrescue-plan-*")
	if err != nil {
		return nil, failure(op, os.TempDir(), nil, err, "TMPDIR names another folder")
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, failure(op, os.TempDir(), nil, errors.Join(err, file.Close()), "")
	}
	return file, nil
}

func (s *keySet) close() error {
	if s == nil {
		return nil
	}
	return s.file.Close()
}

// find reads the slot of a digest, or the empty one where it belongs.
func (s *keySet) find(d digest) (at int64, value int64, found bool, err error) {
	var slot [slotSize]byte
	for n := binary.LittleEndian.Uint64(d[:]); ; n++ {
		at = int64(n&(s.slots-1)) * slotSize
		read, err := s.file.ReadAt(slot[:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, false, err
		}
		if read < slotSize || slot[15] == 0 {
			return at, 0, false, nil // behind the end of the file all is empty
		}
		if digest(slot[:16]) == d {
			return at, int64(binary.LittleEndian.Uint64(slot[16:])), true, nil
		}
	}
}

// get is the number of a digest.
func (s *keySet) get(d digest) (int64, bool, error) {
	if s == nil {
		return 0, false, nil
	}
	_, value, found, err := s.find(d)
	return value, found, err
}

// put sets the number of a digest.
func (s *keySet) put(d digest, value int64) error {
	at, _, found, err := s.find(d)
	if err != nil {
		return err
	}
	if !found {
		if s.used*3 > s.slots*2 {
			if err := s.grow(); err != nil {
				return err
			}
			return s.put(d, value)
		}
		s.used++
	}
	return s.write(at, d, value)
}

func (s *keySet) write(at int64, d digest, value int64) error {
	var slot [slotSize]byte
	copy(slot[:], d[:])
	binary.LittleEndian.PutUint64(slot[16:], uint64(value))
	_, err := s.file.WriteAt(slot[:], at)
	return err
}

// grow moves everything to a larger file.
func (s *keySet) grow() error {
	file, err := scratchFile()
	if err != nil {
		return err
	}
	larger := &keySet{file: file, slots: s.slots * 4}
	err = s.each(larger.put)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	old := s.file
	*s = *larger
	return old.Close()
}

// each visits all digests.
func (s *keySet) each(visit func(digest, int64) error) error {
	block := make([]byte, slotSize*4096)
	for at := int64(0); ; at += int64(len(block)) {
		read, err := s.file.ReadAt(block, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for slot := block[:read-read%slotSize]; len(slot) > 0; slot = slot[slotSize:] {
			if slot[15] == 0 {
				continue
			}
			if err := visit(digest(slot[:16]), int64(binary.LittleEndian.Uint64(slot[16:]))); err != nil {
				return err
			}
		}
		if read < len(block) {
			return nil
		}
	}
}
