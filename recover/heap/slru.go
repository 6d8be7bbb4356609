package heap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// An SLRU is a directory of files with 32 pages each, named by their number in
// hexadecimal: the transaction state of a cluster lies in such (access/slru.h).
const (
	slruPagesPerFile = 32   // SLRU_PAGES_PER_SEGMENT
	slruCachedPages  = 1024 // 8 MiB
)

// slru reads the pages of an SLRU directory and remembers them. It may be used
// from several goroutines.
type slru struct {
	dir   string
	trail *evidence.Trail
	last  atomic.Pointer[slruPage] // most questions are about the same page

	mu    sync.Mutex
	pages map[uint32]*slruPage
}

// slruPage is one page, or the reason why it cannot be read.
type slruPage struct {
	number uint32
	bytes  []byte
	err    error
}

// openSLRU opens the directory. It must hold a file at least: an empty one is
// never what a server leaves.
func openSLRU(dir string, trail *evidence.Trail) (*slru, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, errors.New("the directory is empty")
	}
	return &slru{dir: dir, trail: trail, pages: map[uint32]*slruPage{}}, nil
}

// page returns the bytes of a page; the caller does not change them. A page
// that is not there is an error which wraps ErrNoPage.
func (s *slru) page(number uint32) ([]byte, error) {
	if p := s.last.Load(); p != nil && p.number == number {
		return p.bytes, p.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pages[number]
	if p == nil {
		p = s.read(number)
		if len(s.pages) >= slruCachedPages {
			clear(s.pages)
		}
		s.pages[number] = p
	}
	s.last.Store(p)
	return p.bytes, p.err
}

// file names the file that holds a page (SlruFileName in access/transam/slru.c).
func (s *slru) file(number uint32) string {
	return filepath.Join(s.dir, fmt.Sprintf("%04X", number/slruPagesPerFile))
}

func (s *slru) read(number uint32) *slruPage {
	p := &slruPage{number: number}
	name := s.file(number)
	f, err := s.trail.Open(name, evidence.KindXact)
	if err != nil {
		p.err = fmt.Errorf("%w: %w", ErrNoPage, err)
		return p
	}
	defer f.Close()
	bytes := make([]byte, pg.BlockSize)
	_, err = f.ReadAt(bytes, int64(number%slruPagesPerFile)*pg.BlockSize)
	switch {
	case errors.Is(err, io.EOF):
		p.err = fmt.Errorf("%w: file %s ends before page %d of it", ErrNoPage, name, number%slruPagesPerFile)
	case err != nil:
		p.err = fmt.Errorf("%w: %w", ErrNoPage, err)
	default:
		p.bytes = bytes
	}
	return p
}
