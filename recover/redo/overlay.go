package redo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// Overlay shows the catalogs of a data directory as they are after the WAL at
// hand, where the files are behind it: in a copy of a crashed or running server
// a table may have no row in the file of pg_class yet. It is a catalog.PageSource.
type Overlay struct {
	files  *catalog.Files
	result *Result
	blocks map[pg.RelFileLocator][]pg.BlockNumber // replayed, ascending
	gaps   []evidence.Gap
	end    pg.LSN // of the WAL
}

// NewOverlay replays the WAL from the last checkpoint's redo point on over the
// catalogs of all databases, in memory.
func NewOverlay(ctx context.Context, archive *wal.Archive, dir heap.DataDir, control *catalog.ControlState) (*Overlay, error) {
	catalogs, err := catalog.CatalogFiles(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	base := newFileBase(dir)
	defer base.close()
	o := &Overlay{
		files:  catalog.NewFiles(dir, control != nil && control.Checksums),
		blocks: make(map[pg.RelFileLocator][]pg.BlockNumber), end: archive.End(),
	}
	var from pg.LSN
	if control != nil {
		from = control.Redo
		if from < archive.Start() {
			o.gaps = append(o.gaps, evidence.Gap{
				Where: fmt.Sprintf("WAL from %s to %s", from, archive.Start()), What: "changes since the last checkpoint",
				Why: "the WAL at hand begins later", Consequence: "catalog rows of that time may be missing or old",
			})
		}
	}
	o.result, err = Replay(ctx, archive, Options{
		Scan:  wal.ScanOptions{From: from},
		Wants: func(key PageKey) bool { _, wanted := catalogs[key.Relation]; return wanted },
		Base:  base.read,
	})
	if err != nil {
		return nil, fmt.Errorf("redo: replay WAL over the catalogs: %w", err)
	}
	for key, n := range o.result.engine.numbers {
		if o.result.engine.states[n].kind == stateKnown {
			o.blocks[key.Relation] = append(o.blocks[key.Relation], key.Block)
		}
	}
	for _, blocks := range o.blocks {
		slices.Sort(blocks)
	}
	return o, nil
}

// Close gives back what the overlay holds.
func (o *Overlay) Close() error { return o.result.Close() }

// Gaps tells what could not be read.
func (o *Overlay) Gaps() []evidence.Gap {
	gaps := append(o.files.Gaps(), o.gaps...)
	for _, g := range o.result.Gaps {
		gaps = append(gaps, g.Evidence())
	}
	return gaps
}

// ReadPages hands out the relation's pages in block order, replayed ones in
// the place of those in the file.
func (o *Overlay) ReadPages(ctx context.Context, loc pg.RelFileLocator, visit func(block pg.BlockNumber, page heap.Page) error) error {
	replayed := o.blocks[loc]
	next := 0
	before := func(block pg.BlockNumber) error { // replayed pages that the file does not have
		for ; next < len(replayed) && replayed[next] < block; next++ {
			if err := o.visitReplayed(loc, replayed[next], visit); err != nil {
				return err
			}
		}
		return nil
	}
	err := o.files.ReadPages(ctx, loc, func(block pg.BlockNumber, page heap.Page) error {
		if err := before(block); err != nil {
			return err
		}
		if next < len(replayed) && replayed[next] == block {
			next++
			if o.ahead(loc, block, page) {
				return visit(block, page)
			}
			return o.visitReplayed(loc, block, visit)
		}
		return visit(block, page)
	})
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || len(replayed) == 0) {
		return err
	}
	return before(pg.BlockNumber(^uint32(0)))
}

// ahead reports whether the page in the file is younger than the replayed one:
// the WAL at hand ends before the file does.
func (o *Overlay) ahead(loc pg.RelFileLocator, block pg.BlockNumber, inFile heap.Page) bool {
	h, err := inFile.Header()
	if err != nil || h.LSN <= o.end {
		return false
	}
	p, ok := o.result.Known(PageKey{loc, block})
	return !ok || page(p).lsn() < h.LSN
}

func (o *Overlay) visitReplayed(loc pg.RelFileLocator, block pg.BlockNumber, visit func(pg.BlockNumber, heap.Page) error) error {
	p, ok := o.result.Known(PageKey{loc, block})
	if !ok {
		return fmt.Errorf("redo: replayed page %s block %d cannot be read back", loc, block)
	}
	return visit(block, p)
}

// fileBase reads base pages from relation files, each opened once.
type fileBase struct {
	dir   heap.DataDir
	files map[pg.RelFileLocator]*heap.Relation
}

func newFileBase(dir heap.DataDir) *fileBase {
	return &fileBase{dir: dir, files: make(map[pg.RelFileLocator]*heap.Relation)}
}

func (b *fileBase) read(key PageKey, dst heap.Page) bool {
	rel, opened := b.files[key.Relation]
	if !opened {
		rel, _ = b.dir.OpenRelation(key.Relation)
		b.files[key.Relation] = rel
	}
	return rel != nil && rel.ReadPage(key.Block, dst) == nil
}

func (b *fileBase) close() {
	for _, rel := range b.files {
		if rel != nil {
			rel.Close()
		}
	}
}
