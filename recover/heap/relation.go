package heap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

const (
	segmentBytes = int64(pg.SegmentBlocks) * pg.BlockSize // one file of a fork, 1 GiB
	windowBytes  = 256 << 10                              // one read of Pages
	windowBlocks = windowBytes / pg.BlockSize
	maxOpenFiles = 16 // that ReadPage keeps open
)

// ErrNoPage tells that a block lies behind the end of the relation, or in a
// part of it that is not there.
var ErrNoPage = errors.New("page is not there")

// Relation is the main fork of a relation in a data directory, opened for
// reading only. It finds its segment files by their names (RELSEG_SIZE, md.c),
// and reads around the ones that are missing or cut short. A Relation may be
// used from several goroutines.
type Relation struct {
	loc      pg.RelFileLocator
	trail    *evidence.Trail
	path     string         // of segment 0
	segments []segmentFile  // by number; a missing one has no path
	blocks   pg.BlockNumber // up to the end of the last segment

	mu    sync.RWMutex
	files map[int]*os.File // that ReadPage opened
	gaps  []evidence.Gap
}

// segmentFile is one file of a fork; pages counts the whole pages in it.
type segmentFile struct {
	path  string
	pages pg.BlockNumber
}

// OpenRelation finds the files of a relation's main fork. A missing middle segment and a file that ends within a page are
// Gaps, see Gaps; a relation without any file is an error that wraps
// fs.ErrNotExist. Nothing is read yet.
func (d DataDir) OpenRelation(loc pg.RelFileLocator) (*Relation, error) {
	path, err := d.RelationPath(loc)
	if err != nil {
		return nil, err
	}
	names, err := segmentNames(path)
	if err != nil {
		return nil, openError(loc, path, err)
	}
	rel := &Relation{loc: loc, trail: d.Trail, path: path, files: map[int]*os.File{}}
	sizes, lost, err := segmentSizes(names)
	if err != nil {
		return nil, openError(loc, path, err)
	}
	count := len(names)
	for count > 1 && names[count-1] != "" && sizes[count-1] == 0 && lost[count-1] == nil {
		count-- // a truncated relation keeps empty segments behind its end
	}
	for number, name := range names[:count] {
		if lost[number] != nil || name == "" {
			rel.loseSegment(number, lost[number])
			continue
		}
		rel.addSegment(name, number, sizes[number], number == count-1)
	}
	return rel, nil
}

// segmentSizes finds the size of each segment file, or why it cannot be read: a
// directory in its place, a link that leads nowhere. The error is that of the
// first one when none can be read.
func segmentSizes(names []string) (sizes []int64, lost []error, err error) {
	sizes, lost = make([]int64, len(names)), make([]error, len(names))
	readable := false
	for number, name := range names {
		if name == "" {
			continue
		}
		info, why := os.Stat(name)
		switch {
		case why != nil:
			lost[number] = why
		case !info.Mode().IsRegular():
			lost[number] = evidence.ErrNotRegular
		default:
			sizes[number], readable = info.Size(), true
		}
		if err == nil {
			err = lost[number]
		}
	}
	if readable {
		err = nil
	}
	return sizes, lost, err
}

// loseSegment notes a segment that is missing or cannot be read.
func (r *Relation) loseSegment(number int, why error) {
	text := "file is missing"
	if why != nil {
		text = why.Error()
	}
	r.gap(segmentPath(r.path, number), "segment of 1 GiB", text, number)
	r.segments = append(r.segments, segmentFile{})
}

// addSegment takes one segment file in, with a Gap when something is wrong with its size.
func (r *Relation) addSegment(name string, number int, size int64, last bool) {
	whole := min(size, segmentBytes) / pg.BlockSize
	if torn := size % pg.BlockSize; torn != 0 && size < segmentBytes {
		block := int64(number)*pg.SegmentBlocks + whole
		r.gap(name, fmt.Sprintf("block %d", block), fmt.Sprintf("file ends after %d of its %d bytes", torn, pg.BlockSize), -1)
	}
	if !last && size < segmentBytes {
		r.gap(name, fmt.Sprintf("%d pages at its end", pg.SegmentBlocks-whole), "file is shorter than 1 GiB but a later segment exists", -1)
	}
	r.segments = append(r.segments, segmentFile{path: name, pages: pg.BlockNumber(whole)})
	r.blocks = pg.BlockNumber(number)*pg.SegmentBlocks + pg.BlockNumber(whole)
}

// openError says that a file of the relation could not be opened, with a hint.
func openError(loc pg.RelFileLocator, path string, cause error) error {
	err := &evidence.Error{Op: "heap: open relation " + loc.String(), Place: path, Err: cause}
	if errors.Is(cause, fs.ErrNotExist) {
		err.Hint = "the relation may have been dropped or rewritten under another file number"
		if loc.Tablespace != pg.DefaultTablespace && loc.Tablespace != pg.GlobalTablespace {
			err.Hint = fmt.Sprintf("the tablespace lies outside the data directory; name the copy of it with --tablespace %d=DIR, or put it beside that of the data directory", loc.Tablespace)
		}
	}
	if errors.Is(cause, fs.ErrPermission) {
		err.Hint = "run as a user who may read the data directory"
	}
	return err
}

// segmentPath names a segment: the first has no suffix (_mdfd_segpath in md.c).
func segmentPath(path string, number int) string {
	if number == 0 {
		return path
	}
	return path + "." + strconv.Itoa(number)
}

// maxSegments bounds the suffix of a segment file: 2^32 pages make 32768 segments.
const maxSegments = 1 << 32 / pg.SegmentBlocks

// segmentNames lists the segment files by number, "" for one that is missing.
func segmentNames(path string) ([]string, error) {
	dir, base := filepath.Split(path)
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		suffix, found := strings.CutPrefix(entry, base)
		if !found {
			continue
		}
		number := 0
		if suffix != "" {
			number, err = strconv.Atoi(strings.TrimPrefix(suffix, "."))
			if err != nil || suffix[0] != '.' || number <= 0 || number >= maxSegments || segmentPath(base, number) != entry {
				continue // a file of another relation or of another fork
			}
		}
		for len(names) <= number {
			names = append(names, "")
		}
		names[number] = path + suffix
	}
	if len(names) == 0 {
		return nil, fs.ErrNotExist
	}
	return names, nil
}

// gap records what could not be read; a segment number of 0 or more adds what follows from it.
func (r *Relation) gap(where, what, why string, segment int) {
	g := evidence.Gap{Where: where, What: what, Why: why}
	if segment >= 0 {
		first := int64(segment) * pg.SegmentBlocks
		g.Consequence = fmt.Sprintf("blocks %d to %d were not read", first, first+pg.SegmentBlocks-1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, g)
}

// Locator names the relation.
func (r *Relation) Locator() pg.RelFileLocator { return r.loc }

// Path is the file of the first segment.
func (r *Relation) Path() string { return r.path }

// Blocks is the number of pages up to the end of the last segment, missing
// ones in between counted.
func (r *Relation) Blocks() pg.BlockNumber { return r.blocks }

// MayGoOn names the segment that would come next when the last one is full: the
// relation ends there by chance, or the file is missing. A relation whose end was
// truncated by VACUUM hardly ever ends there.
func (r *Relation) MayGoOn() (next string, may bool) {
	last := len(r.segments) - 1
	return segmentPath(r.path, last+1), last >= 0 && r.segments[last].pages == pg.SegmentBlocks
}

// Unlogged reports whether the relation has an init fork beside its main fork, as only
// unlogged ones do (INIT_FORKNUM in common/relpath.h). The catalog may say otherwise:
// SET LOGGED and SET UNLOGGED give a table another file.
func (r *Relation) Unlogged() bool {
	_, err := os.Stat(r.path + "_init")
	return err == nil
}

// Gaps tells what was missing when the relation was opened, and what could
// not be read since.
func (r *Relation) Gaps() []evidence.Gap {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return append([]evidence.Gap(nil), r.gaps...)
}

// Close closes the files that ReadPage opened.
func (r *Relation) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closeFiles()
}

func (r *Relation) closeFiles() error {
	var errs []error
	for number, f := range r.files {
		errs = append(errs, f.Close())
		delete(r.files, number)
	}
	return errors.Join(errs...)
}

// ReadPage reads one page into dst, which must have pg.BlockSize bytes. The
// page is as it lies on disk, unchecked. A block that is not there gives ErrNoPage.
func (r *Relation) ReadPage(block pg.BlockNumber, dst Page) error {
	if len(dst) != pg.BlockSize {
		return fmt.Errorf("heap: read page %d of %s: buffer has %d bytes, want %d", block, r.loc, len(dst), pg.BlockSize)
	}
	number, within := int(block/pg.SegmentBlocks), block%pg.SegmentBlocks
	if number >= len(r.segments) || within >= r.segments[number].pages {
		return fmt.Errorf("heap: read page %d of %s: %w", block, r.loc, ErrNoPage)
	}
	if err := r.readAt(number, dst, int64(within)*pg.BlockSize); err != nil {
		return fmt.Errorf("heap: read page %d of %s: %w", block, r.loc, err)
	}
	return nil
}

// readAt reads under the read lock, so that no other goroutine closes the file meanwhile.
func (r *Relation) readAt(number int, dst []byte, offset int64) error {
	for {
		r.mu.RLock()
		if f := r.files[number]; f != nil {
			_, err := f.ReadAt(dst, offset)
			r.mu.RUnlock()
			return err
		}
		r.mu.RUnlock()
		if err := r.openSegment(number); err != nil {
			return err
		}
	}
}

// open opens a segment, and remembers that it was read.
func (r *Relation) open(number int) (*os.File, error) {
	name := r.segments[number].path
	f, err := os.Open(name)
	if err == nil {
		r.trail.NoteRelation(name, r.loc)
	}
	return f, err
}

func (r *Relation) openSegment(number int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.files[number] != nil {
		return nil
	}
	if len(r.files) >= maxOpenFiles {
		if err := r.closeFiles(); err != nil {
			return err
		}
	}
	f, err := r.open(number)
	if err != nil {
		return err
	}
	r.files[number] = f
	return nil
}

// Pages calls visit for every page in block order. The page is the caller's
// until visit returns; its buffer is used again. A stretch that cannot be read
// is a Gap and the reading goes on; an error of visit ends it and is returned.
func (r *Relation) Pages(ctx context.Context, visit func(block pg.BlockNumber, page Page) error) error {
	return r.PageRange(ctx, 0, r.blocks, visit)
}

// PageRange is Pages for the blocks from from up to, but without, to. Several
// ranges may be read at the same time.
func (r *Relation) PageRange(ctx context.Context, from, to pg.BlockNumber, visit func(block pg.BlockNumber, page Page) error) error {
	window := make([]byte, windowBytes)
	for from < min(to, r.blocks) {
		number := from / pg.SegmentBlocks
		first := number * pg.SegmentBlocks
		end := min(to-first, r.segments[number].pages)
		if err := r.segmentPages(ctx, int(number), from-first, end, window, visit); err != nil {
			return err
		}
		if number+1 >= pg.BlockNumber(len(r.segments)) {
			break
		}
		from = first + pg.SegmentBlocks
	}
	return nil
}

// segmentPages visits the pages [from, to) of one segment.
func (r *Relation) segmentPages(ctx context.Context, number int, from, to pg.BlockNumber, window []byte, visit func(pg.BlockNumber, Page) error) error {
	if from >= to {
		return nil
	}
	name := r.segments[number].path
	f, err := r.open(number)
	if err != nil {
		r.gap(name, "segment", err.Error(), number)
		return nil
	}
	defer f.Close()
	first := pg.BlockNumber(number) * pg.SegmentBlocks
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(to-from, windowBlocks)
		n, err := f.ReadAt(window[:int(count)*pg.BlockSize], int64(from)*pg.BlockSize)
		whole := pg.BlockNumber(n / pg.BlockSize)
		for i := range whole {
			page := window[int(i)*pg.BlockSize : int(i+1)*pg.BlockSize : int(i+1)*pg.BlockSize]
			if err := visit(first+from+i, page); err != nil {
				return err
			}
		}
		from += whole
		if whole == count {
			continue
		}
		r.gap(name, fmt.Sprintf("block %d", first+from), readFailure(err), -1)
		if errors.Is(err, io.EOF) {
			return nil // the file became shorter since it was opened
		}
		from++ // behind the page that cannot be read
	}
	return nil
}

func readFailure(err error) string {
	if errors.Is(err, io.EOF) {
		return "file became shorter while it was read"
	}
	return err.Error()
}
