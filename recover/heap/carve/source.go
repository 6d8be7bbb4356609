package carve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Source is a file to look through: a relation file, or an image of anything.
type Source struct {
	Path string
	// File names the relation that the file is a segment of, when its place in a data
	// directory says so; then the place of a page says its block number.
	File    pg.RelFileLocator
	Segment int
	// Named tells that the file has a relation file's name, so that Segment is known.
	Named bool
}

// inDataDir reports whether the source is a file of a data directory.
func (s *Source) inDataDir() bool { return s.File.Relation != 0 }

// Options say how to look.
type Options struct {
	Trail    *evidence.Trail                                  // remembers the files that are read; may be nil
	Step     int                                              // a page begins at a multiple of so many bytes; 0: DefaultStep
	Progress func(stage string, bytes int64) func(done int64) // may be nil
}

// Steps between the places where a page may begin.
const (
	DefaultStep = 512 // a sector
	windowBytes = 1 << 20
	badSector   = 4096 // passed over where the disk cannot be read
)

// Bytes is the size of all sources.
func Bytes(sources []Source) (total int64) {
	for i := range sources {
		if f, err := os.Open(sources[i].Path); err == nil {
			if size, err := f.Seek(0, io.SeekEnd); err == nil { // a block device has no size of its own
				total += size
			}
			f.Close()
		}
	}
	return total
}

// scanner reads sources page by page in constant memory.
type scanner struct {
	step    int
	trail   *evidence.Trail
	done    func(int64)
	window  []byte
	gaps    []evidence.Gap
	skipped int64 // gaps beyond those that are listed
}

// mostGaps bounds the gaps that are listed: a disk may have millions of bad sectors.
const mostGaps = 1000

func newScanner(sources []Source, opts *Options, stage string) *scanner {
	s := &scanner{step: opts.Step, trail: opts.Trail, window: make([]byte, windowBytes)}
	if s.step <= 0 {
		s.step = DefaultStep
	}
	if opts.Progress != nil {
		s.done = opts.Progress(stage, Bytes(sources))
	}
	return s
}

func (s *scanner) badSector(path string, at int64, err error) {
	s.gap(evidence.Gap{
		Where: fmt.Sprintf("%s at byte %d", path, at), What: fmt.Sprintf("%d bytes", badSector), Why: err.Error(),
		Consequence: "a page that begins, ends or lies there is not looked at",
	})
}

func (s *scanner) gap(g evidence.Gap) {
	if len(s.gaps) >= mostGaps {
		s.skipped++
		return
	}
	s.gaps = append(s.gaps, g)
}

// cutPage tells of a page that begins in the last bytes of a source, which are too few for it.
func (s *scanner) cutPage(path string, rest []byte, at int64) {
	page := make(heap.Page, pg.BlockSize)
	for offset := 0; offset+heap.PageHeaderSize <= len(rest); offset += s.step {
		n := copy(page, rest[offset:])
		clear(page[n:])
		if _, err := page.Header(); err != nil || !mayBePage(page) {
			continue
		}
		s.gap(evidence.Gap{
			Where: fmt.Sprintf("%s at byte %d", path, at+int64(offset)), What: "page",
			Why:         fmt.Sprintf("the file ends after %d of its %d bytes", n, pg.BlockSize),
			Consequence: "its tuples are not looked at",
		})
		return
	}
}

// pages calls visit for everything in a source that looks like a page. The page is
// valid until visit returns.
func (s *scanner) pages(ctx context.Context, src *Source, visit func(*Page) error) error {
	f, err := os.Open(src.Path)
	if err != nil {
		return fmt.Errorf("carve: open: %w", err)
	}
	defer f.Close()
	s.note(src)
	return s.read(ctx, src, f, visit)
}

// read visits the pages of an open source. A sector that cannot be read costs the
// pages that it touches.
func (s *scanner) read(ctx context.Context, src *Source, f io.ReaderAt, visit func(*Page) error) error {
	kept, at := 0, int64(0) // bytes in the window from the read before; where the window begins
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.ReadAt(s.window[kept:], at+int64(kept))
		if s.done != nil {
			s.done(int64(n))
		}
		used, stop := s.look(src, s.window[:kept+n], at, visit)
		if stop != nil {
			return stop
		}
		at += int64(used)
		kept = copy(s.window, s.window[used:kept+n])
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			s.cutPage(src.Path, s.window[:kept], at)
			return nil
		default:
			bad := at + int64(kept)
			s.badSector(src.Path, bad, err)
			next := int64(max(badSector, s.step)) // where a page may begin again
			at, kept = (bad/next+1)*next, 0
		}
	}
}

// note remembers that a source was read.
func (s *scanner) note(src *Source) {
	if src.inDataDir() {
		s.trail.NoteRelation(src.Path, src.File)
		return
	}
	s.trail.Note(src.Path, evidence.KindImage)
}

// look visits the pages that lie wholly in the window, and returns how many of its
// bytes are done with.
func (s *scanner) look(src *Source, window []byte, at int64, visit func(*Page) error) (used int, err error) {
	var p Page
	for used+pg.BlockSize <= len(window) {
		raw := window[used : used+pg.BlockSize : used+pg.BlockSize]
		if !mayBePage(raw) || !p.recognise(src, raw, at+int64(used)) {
			used += s.step
			continue
		}
		if err := visit(&p); err != nil {
			return used, err
		}
		used += pg.BlockSize
	}
	return min(used, len(window)), nil
}

// Page is a page that was found.
type Page struct {
	heap.Page
	Header heap.PageHeader
	Source *Source
	Offset int64 // in the source
	// Block is its number in its relation, from the file's name or from its tuples; -1: not known.
	Block int64
	Kind  Kind
	// Torn tells that the page has a checksum, that its block number is known, and
	// that they do not match.
	Torn bool
	// Tuples are those behind line pointers; Bad counts line pointers that lead nowhere.
	Tuples []Tuple
	Bad    int
}

// Tuple is a tuple of a page.
type Tuple struct {
	heap.Tuple
	Line pg.OffsetNumber
}
