package undelete

import (
	"cmp"
	"context"
	"errors"
	"hash/crc32"
	"io/fs"
	"slices"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// valueKey names one value stored out of line: the database, its TOAST relation
// and its chunk_id. A database made from a template has the template's OIDs.
type valueKey struct {
	database, toast, value pg.OID
}

func (k valueKey) compare(o valueKey) int {
	return cmp.Or(cmp.Compare(k.database, o.database), cmp.Compare(k.toast, o.toast), cmp.Compare(k.value, o.value))
}

// toastTable names a TOAST relation.
type toastTable struct{ database, oid pg.OID }

// chunk is one row of a TOAST relation, its data in the spool.
type chunk struct {
	key  valueKey
	seq  int32
	sum  uint32 // CRC32C of the data
	data ref
	// differs: another place has other data for the same chunk.
	differs bool
}

// chunkStore holds the chunks of values out of line, sorted by value and sequence.
type chunkStore struct {
	chunks   []chunk
	spool    *spool
	database pg.OID // of the values asked for
	value    []byte // of the last Fetch
	reader   spoolReader
}

func (c *chunkStore) sort() {
	slices.SortStableFunc(c.chunks, func(a, b chunk) int {
		return cmp.Or(a.key.compare(b.key), cmp.Compare(a.seq, b.seq))
	})
	// The same chunk may come from several places. If its data is the same, the first
	// is as good as the others; if not, a value id was used twice.
	kept := c.chunks[:0]
	for i := range c.chunks {
		next := &c.chunks[i]
		if last := len(kept) - 1; last >= 0 && kept[last].key == next.key && kept[last].seq == next.seq {
			if kept[last].sum != next.sum || kept[last].data.length() != next.data.length() || next.differs {
				kept[last].differs = true
			}
			continue
		}
		kept = append(kept, *next)
	}
	c.chunks = kept
}

// find returns the chunks of one value.
func (c *chunkStore) find(key valueKey) []chunk {
	from, _ := slices.BinarySearchFunc(c.chunks, key, func(ch chunk, key valueKey) int { return ch.key.compare(key) })
	to := from
	for to < len(c.chunks) && c.chunks[to].key == key {
		to++
	}
	return c.chunks[from:to]
}

// These name no value, so that all rows that lack one share the reason.
var (
	errChunks = errors.New("chunks of its TOAST value are missing")
	errDiffer = errors.New("its TOAST value's id was used twice, and it cannot be told which chunks are its own")
)

// key is that of a value that a row of the current database points to.
func (c *chunkStore) key(p *heap.ToastPointer) valueKey {
	return valueKey{c.database, p.ToastRelation, p.ValueID}
}

// complete reports whether all chunks of a value are there, or says what is missing.
func (c *chunkStore) complete(p *heap.ToastPointer) error {
	chunks := c.find(c.key(p))
	var bytes int64
	for i := range chunks {
		if chunks[i].seq != int32(i) {
			return errChunks
		}
		if chunks[i].differs {
			return errDiffer
		}
		bytes += int64(chunks[i].data.length())
	}
	if bytes != int64(p.ExtSize) {
		return errChunks
	}
	return nil
}

// Fetch puts a value together from its chunks. The bytes are valid until the next call.
func (c *chunkStore) Fetch(p heap.ToastPointer) ([]byte, error) {
	if err := c.complete(&p); err != nil {
		return nil, err
	}
	c.value, c.reader.spool = c.value[:0], c.spool
	for _, ch := range c.find(c.key(&p)) {
		data, err := c.reader.get(ch.data)
		if err != nil {
			return nil, err
		}
		c.value = append(c.value, data...)
	}
	return c.value, nil
}

// add keeps a chunk if the tuple is one.
func (c *chunkStore) add(toast toastTable, t *heap.Tuple, wanted func(valueKey) bool) error {
	key, seq, data, ok := decodeChunk(toast, t)
	if !ok || wanted != nil && !wanted(key) {
		return nil
	}
	return c.keep(key, seq, data)
}

// refer keeps a chunk whose tuple lies in the spool already.
func (c *chunkStore) refer(toast toastTable, t *heap.Tuple, body ref) {
	key, seq, data, ok := decodeChunk(toast, t)
	if !ok || len(data) == 0 {
		return
	}
	// chunk_data is the last attribute, so it ends where the tuple does.
	at := len(t.Raw) - len(data)
	if &t.Raw[at] != &data[0] {
		return
	}
	c.chunks = append(c.chunks, chunk{
		key: key, seq: seq, sum: crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)),
		data: body.part(at, len(data)),
	})
}

func (c *chunkStore) keep(key valueKey, seq int32, data []byte) error {
	kept, err := c.spool.add(data)
	if err != nil {
		return err
	}
	c.chunks = append(c.chunks, chunk{key: key, seq: seq, sum: crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)), data: kept})
	return nil
}

// chunkAttrs is the shape of every TOAST relation.
func chunkAttrs() []heap.Attr {
	return []heap.Attr{{Len: 4, Align: 4}, {Len: 4, Align: 4}, {Len: -1, Align: 4}}
}

// decodeChunk takes a tuple of a TOAST relation apart: chunk_id, chunk_seq,
// chunk_data (access/toast_internals.h).
func decodeChunk(toast toastTable, t *heap.Tuple) (key valueKey, seq int32, data []byte, ok bool) {
	attrs := [...]heap.Attr{{Len: 4, Align: 4}, {Len: 4, Align: 4}, {Len: -1, Align: 4}}
	var out [len(attrs)]heap.Datum
	if err := heap.Deform(t, attrs[:], out[:]); err != nil {
		return key, 0, nil, false
	}
	for i := range out {
		if out[i].Form != heap.FormPlain {
			return key, 0, nil, false
		}
	}
	id, at := binreader.New(out[0].Bytes), binreader.New(out[1].Bytes)
	return valueKey{toast.database, toast.oid, pg.OID(id.Uint32())}, at.Int32(), out[2].Bytes, true
}

// gatherChunks collects the chunks that the ledger settled, and looks for what
// rows need beyond them: in the TOAST relation's file, in the whole WAL, in the
// free space of the file's pages, and in further copies.
func (l *Loss) gatherChunks(ctx context.Context) error {
	l.chunks.spool = &l.spool
	reader := spoolReader{spool: &l.spool}
	for _, t := range l.tables {
		if t.toastOf < 0 {
			continue
		}
		for i := t.first; i < t.last; i++ {
			e := &l.entries[i]
			if e.state != byHeap && e.state != byWAL {
				continue
			}
			raw, err := reader.get(e.body)
			if err != nil {
				return err
			}
			tuple, err := heap.DecodeTuple(raw)
			if err != nil {
				continue
			}
			l.chunks.refer(t.toastTable(), &tuple, e.body)
		}
	}
	l.chunks.sort()
	for _, more := range []func(context.Context, map[valueKey]bool) error{l.chunksFromFiles, l.chunksFromWAL, l.chunksFromFreeSpace, l.chunksFromCopies} {
		lacking, err := l.lacking()
		if err != nil || len(lacking) == 0 {
			return err
		}
		if err := more(ctx, lacking); err != nil {
			return err
		}
		l.chunks.sort()
	}
	return nil
}

// lacking lists the values out of line that settled tuples point to and that
// are not complete yet.
func (l *Loss) lacking() (map[valueKey]bool, error) {
	lacking := make(map[valueKey]bool)
	reader := spoolReader{spool: &l.spool}
	for _, t := range l.tables {
		if t.toastOf >= 0 || t.Relation == nil || t.Relation.Toast == 0 {
			continue
		}
		l.chunks.database = t.Database.OID
		shape := attrsOf(t.Relation)
		out := make([]heap.Datum, len(shape))
		for i := t.first; i < t.last; i++ {
			for _, body := range []ref{l.entries[i].body, l.entries[i].successor} {
				if body.length() == 0 {
					continue
				}
				raw, err := reader.get(body)
				if err != nil {
					return nil, err
				}
				l.lackingOf(raw, t.Relation, shape, out, lacking)
			}
		}
	}
	return lacking, nil
}

func (l *Loss) lackingOf(raw []byte, rel *catalog.Relation, shape []heap.Attr, out []heap.Datum, lacking map[valueKey]bool) {
	tuple, err := heap.DecodeTuple(raw)
	if err != nil || tuple.Infomask&heap.HasExternal == 0 {
		return
	}
	// On damage the attributes before it are still worth having.
	_ = heap.Deform(&tuple, shape, out)
	for i := range out {
		if out[i].Form != heap.FormExternal || rel.Attributes[i].Dropped {
			continue
		}
		p, err := heap.DecodeToastPointer(out[i].Bytes)
		if err == nil && l.chunks.complete(&p) != nil {
			lacking[l.chunks.key(&p)] = true
		}
	}
}

// chunksFromFiles reads the TOAST relations' files. A chunk there may be alive:
// an UPDATE leaves the values alone that it does not change.
func (l *Loss) chunksFromFiles(ctx context.Context, lacking map[valueKey]bool) error {
	if l.ev.DataDir == "" || l.req.NoHeap {
		return nil
	}
	return l.chunksIn(ctx, l.ev.dir(), lacking, func(heap.PageHeader) bool { return true })
}

// chunksIn reads the pages of the TOAST relations' files of one data directory that believe accepts.
func (l *Loss) chunksIn(ctx context.Context, dir heap.DataDir, lacking map[valueKey]bool, believe func(heap.PageHeader) bool) error {
	wanted := func(key valueKey) bool { return lacking[key] }
	for _, t := range l.tables {
		if t.toastOf < 0 || !anyOf(lacking, t.toastTable()) {
			continue
		}
		rel, err := dir.OpenRelation(t.File)
		if err != nil {
			if t.File == t.Relation.File || !errors.Is(err, fs.ErrNotExist) {
				l.relationGone(t, err, "values out of line in it count only if the WAL has them")
			}
			continue
		}
		scan := l.scanFile(rel, "values out of line that lie there count only if the WAL has them")
		err = scan.pages(ctx, func(block pg.BlockNumber, h heap.PageHeader, p heap.Page) error {
			if !believe(h) {
				return nil
			}
			return scan.tuples(block, h, p, func(_ pg.TID, tuple *heap.Tuple) error {
				return l.chunks.add(t.toastTable(), tuple, wanted)
			})
		})
		for _, g := range rel.Gaps() {
			l.gap(g)
		}
		rel.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// toastTable names the TOAST relation that the table is.
func (t *Table) toastTable() toastTable { return toastTable{t.Database.OID, t.Relation.OID} }

func anyOf(lacking map[valueKey]bool, toast toastTable) bool {
	for key := range lacking {
		if (toastTable{key.database, key.toast}) == toast {
			return true
		}
	}
	return false
}

// eachTuple visits the tuples behind the normal line pointers of a page; what
// cannot be read is passed over.
func eachTuple(p heap.Page, visit func(pg.OffsetNumber, *heap.Tuple) error) error {
	h, err := p.Header()
	if err != nil {
		return nil
	}
	for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
		if p.LinePointer(offset).State != heap.Normal {
			continue
		}
		tuple, err := p.Tuple(h, offset)
		if err != nil {
			continue
		}
		if err := visit(offset, &tuple); err != nil {
			return err
		}
	}
	return nil
}

// found is a chunk that a span of the WAL holds.
type found struct {
	key  valueKey
	seq  int32
	data []byte
}

// foundChunks collects those of one span.
type foundChunks struct {
	chunks   []found
	restorer wal.Restorer
	page     [pg.BlockSize]byte
}

// chunksFromWAL looks through the whole WAL for inserted chunks and for images
// of TOAST pages.
func (l *Loss) chunksFromWAL(ctx context.Context, lacking map[valueKey]bool) error {
	if l.ev.Archive == nil || l.req.NoWAL {
		return nil
	}
	toasts := make(map[pg.RelFileLocator]toastTable)
	for _, t := range l.tables {
		if t.toastOf >= 0 && anyOf(lacking, t.toastTable()) {
			toasts[t.File] = t.toastTable()
		}
	}
	if len(toasts) == 0 {
		return nil
	}
	return wal.Scan(ctx, l.ev.Archive, wal.ScanOptions{
		// The scan for one transaction did not check what lies behind its end.
		SkipCRC: len(l.scan.Gaps) == 0 && l.req.XID == pg.InvalidXID, Rmgrs: wal.Rmgrs(wal.RmgrHeap, wal.RmgrHeap2, wal.RmgrXLOG),
		Progress: l.ev.stage("looking for TOAST values in WAL", l.ev.Archive.Bytes()),
	}, func() *foundChunks { return new(foundChunks) },
		func(f *foundChunks, rec *wal.Record) error { f.visit(rec, toasts, lacking); return nil },
		func(f *foundChunks, _ *wal.Span) error {
			for _, c := range f.chunks {
				if err := l.chunks.keep(c.key, c.seq, c.data); err != nil {
					return err
				}
			}
			f.chunks = f.chunks[:0]
			return nil
		})
}

func (f *foundChunks) visit(rec *wal.Record, toasts map[pg.RelFileLocator]toastTable, lacking map[valueKey]bool) {
	for i := range rec.Blocks {
		b := &rec.Blocks[i]
		toast, wanted := toasts[b.Relation]
		if !wanted || b.Fork != pg.ForkMain {
			continue
		}
		if b.HasImage {
			if f.restorer.RestoreImage(f.page[:], b) == nil {
				_ = eachTuple(f.page[:], func(_ pg.OffsetNumber, t *heap.Tuple) error {
					f.keep(toast, t, lacking)
					return nil
				})
			}
			continue
		}
		if rec.HeapOp() == wal.HeapInsert {
			if t, ok := insertedTuple(b.Data); ok {
				f.keep(toast, &t, lacking)
			}
		}
	}
}

func (f *foundChunks) keep(toast toastTable, t *heap.Tuple, lacking map[valueKey]bool) {
	if key, seq, data, ok := decodeChunk(toast, t); ok && lacking[key] {
		f.chunks = append(f.chunks, found{key, seq, slices.Clone(data)})
	}
}

// insertedTuple makes a tuple of an insert record's block data: infomask2,
// infomask and hoff, then the bytes from the null bitmap on.
func insertedTuple(data []byte) (heap.Tuple, bool) {
	r := binreader.New(data)
	header := r.Bytes(5)
	if header == nil {
		return heap.Tuple{}, false
	}
	raw := make([]byte, heap.TupleHeaderSize, heap.TupleHeaderSize+r.Remaining())
	copy(raw[18:], header)
	t, err := heap.DecodeTuple(append(raw, r.Rest()...))
	return t, err == nil
}
