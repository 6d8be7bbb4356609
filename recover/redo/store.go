package redo

import (
	"errors"
	"fmt"
	"os"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// store keeps pages by a dense number. At most limit pages lie in memory; the
// others lie in a temporary file, each at its own place, but for those that are
// still as a full-page image in the WAL has them: they are read from there when
// they are needed. Pages leave memory in the order in which they came, which suits
// replay: a page that was touched once since a checkpoint is seldom touched soon again.
type store struct {
	limit    int
	pages    []slot // by page number
	resident []int  // ring of page numbers in memory; -1 where the page was dropped
	next     int    // of the ring, to be evicted next
	free     [][]byte
	file     *os.File
	dir      string
	// reload fills a page from the image in the record at an LSN; nil: no page is clean.
	reload func(n int, image pg.LSN, dst page) error
}

type slot struct {
	page  page
	at    int    // index in resident
	image pg.LSN // of the record whose image the page is, unchanged; 0: it is not clean
}

// newStore makes a store whose overflow goes to a file in dir ("" for the
// system's temporary folder).
func newStore(limit int, dir string) *store { return &store{limit: max(limit, 4), dir: dir} }

func (s *store) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// get returns a page that was put, to be changed in place until the next call.
func (s *store) get(n int) (page, error) {
	sl := &s.pages[n]
	if sl.page != nil {
		return sl.page, nil
	}
	image := sl.image
	p, err := s.make(n)
	if err != nil {
		return nil, err
	}
	if image != 0 {
		s.pages[n].image = image
		if err := s.reload(n, image, p); err != nil {
			return nil, fmt.Errorf("%w: %w", errImage, err)
		}
		return p, nil
	}
	if _, err := s.file.ReadAt(p, int64(n)*pg.BlockSize); err != nil {
		return nil, fmt.Errorf("redo: read page from temporary file: %w", err)
	}
	return p, nil
}

// make returns room for a page, with undefined content.
func (s *store) make(n int) (page, error) {
	for n >= len(s.pages) {
		s.pages = append(s.pages, slot{})
	}
	sl := &s.pages[n]
	if sl.page != nil {
		return sl.page, nil
	}
	at := len(s.resident)
	if at < s.limit {
		s.resident = append(s.resident, n)
	} else {
		at = s.next
		s.next = (s.next + 1) % s.limit
		if err := s.evict(at); err != nil {
			return nil, err
		}
		s.resident[at] = n
	}
	if last := len(s.free) - 1; last >= 0 {
		sl.page, s.free = s.free[last], s.free[:last]
	} else {
		sl.page = make(page, pg.BlockSize)
	}
	sl.at = at
	return sl.page, nil
}

// evict writes the page at a place of the ring to the file.
func (s *store) evict(at int) error {
	n := s.resident[at]
	if n < 0 {
		return nil
	}
	if sl := &s.pages[n]; sl.image != 0 {
		s.free = append(s.free, sl.page)
		*sl = slot{image: sl.image}
		return nil
	}
	if s.file == nil {
		file, err := os.CreateTemp(s.dir, "pgrescue-pages-")
		if err != nil {
			return fmt.Errorf("redo: make temporary file: %w", err)
		}
		// The name goes at once, the space when the file is closed, even after a crash.
		if err := os.Remove(file.Name()); err != nil {
			return fmt.Errorf("redo: unlink temporary file: %w", err)
		}
		s.file = file
	}
	sl := &s.pages[n]
	if _, err := s.file.WriteAt(sl.page, int64(n)*pg.BlockSize); err != nil {
		return fmt.Errorf("redo: write page to temporary file: %w", err)
	}
	s.free = append(s.free, sl.page)
	*sl = slot{}
	return nil
}

// errImage tells that a page's image in the WAL cannot be restored.
var errImage = errors.New("full-page image")

// leave notes that a page is what the image in the record at an LSN gives. It
// takes no memory until somebody gets it.
func (s *store) leave(n int, image pg.LSN) {
	s.drop(n)
	for n >= len(s.pages) {
		s.pages = append(s.pages, slot{})
	}
	s.pages[n] = slot{image: image}
}

// dirty notes that a page in memory is not what an image gives any more.
func (s *store) dirty(n int) { s.pages[n].image = 0 }

// drop forgets a page.
func (s *store) drop(n int) {
	if n >= len(s.pages) {
		return
	}
	sl := &s.pages[n]
	if sl.page != nil {
		s.free = append(s.free, sl.page)
		s.resident[sl.at] = -1
	}
	*sl = slot{}
}
