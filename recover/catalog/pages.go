package catalog

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// PageSource is where the pages of catalogs come from: the files of a data
// directory, or an overlay in which WAL was replayed over them.
//
// ReadPages calls visit for each page of the main fork in block order. The page
// is the caller's until visit returns. A relation that is not there is an error
// that wraps fs.ErrNotExist; an error of visit ends the reading and is
// returned. A source that reads around damage may have a method
// Gaps() []evidence.Gap, which Read asks in the end.
type PageSource interface {
	ReadPages(ctx context.Context, loc pg.RelFileLocator, visit func(block pg.BlockNumber, page heap.Page) error) error
}

// Files is the PageSource of a data directory as it lies on disk. It may be
// used from several goroutines.
type Files struct {
	dir       heap.DataDir
	checksums bool

	mu   sync.Mutex
	gaps []evidence.Gap
}

// NewFiles makes the PageSource of a data directory. With checksums, a page
// that does not match its checksum is a Gap; it is handed out all the same, for
// what can be read of it.
func NewFiles(dir heap.DataDir, checksums bool) *Files {
	return &Files{dir: dir, checksums: checksums}
}

// ReadPages reads the relation's segment files.
func (f *Files) ReadPages(ctx context.Context, loc pg.RelFileLocator, visit func(block pg.BlockNumber, page heap.Page) error) error {
	rel, err := f.dir.OpenRelation(loc)
	if err != nil {
		return err
	}
	defer rel.Close()
	err = rel.Pages(ctx, func(block pg.BlockNumber, page heap.Page) error {
		if f.checksums {
			f.verify(rel, block, page)
		}
		return visit(block, page)
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gaps = append(f.gaps, rel.Gaps()...)
	return err
}

// verify compares a page with its checksum. A page whose header is broken is
// left to the reader, who says so.
func (f *Files) verify(rel *heap.Relation, block pg.BlockNumber, page heap.Page) {
	if _, err := page.Header(); err != nil || heap.VerifyChecksum(page, block) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gaps = append(f.gaps, evidence.Gap{
		Where: rel.Path(), What: fmt.Sprintf("block %d", block), Why: "page does not match its checksum",
		Consequence: "what could be read of it was used",
	})
}

// Gaps tells what could not be read so far.
func (f *Files) Gaps() []evidence.Gap {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]evidence.Gap(nil), f.gaps...)
}

// relativePath shortens a path below the data directory for messages.
func relativePath(dataDir, path string) string {
	if rel, err := filepath.Rel(dataDir, path); err == nil {
		return rel
	}
	return path
}
