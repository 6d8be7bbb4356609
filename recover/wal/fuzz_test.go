package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// seed reads the first pages of a real segment; TestSeedPages makes them.
func seed(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/pages.wal")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// memory is a segment in memory. A read that touches broken fails.
type memory struct {
	data   []byte
	broken int64 // 0: none
}

var errBroken = errors.New("input/output error")

func (m *memory) open(int64) (segmentReader, error) { return m, nil }
func (m *memory) Close() error                      { return nil }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if m.broken != 0 && off+int64(len(p)) > m.broken && off <= m.broken {
		n := copy(p, m.data[off:m.broken])
		return n, errBroken
	}
	return bytes.NewReader(m.data).ReadAt(p, off)
}

// memoryFile is a segment file in memory, in the place that its first page says.
func memoryFile(t testing.TB, data []byte, broken int64) *segmentFile {
	t.Helper()
	f := &segmentFile{source: &memory{data, broken}, size: int64(len(data))}
	if err := f.probe(); err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	if f.headOK {
		f.Name = formatSegmentName(1, uint64(f.head.address)/uint64(f.head.segSize), f.head.segSize)
		f.Path = f.Name
		f.name, _ = parseSegmentName(f.Name)
		f.Timeline = 1
	}
	return f
}

// walk scans an archive and checks what must hold of any: order, bounds, no record in a gap.
func walk(t testing.TB, a *Archive, opts ScanOptions) (lsns []pg.LSN, gaps []Gap) {
	t.Helper()
	var restorer Restorer
	page := make([]byte, pg.BlockSize)
	err := Scan(context.Background(), a, opts, func() *[]pg.LSN { return new([]pg.LSN) },
		func(acc *[]pg.LSN, rec *Record) error {
			*acc = append(*acc, rec.LSN)
			if rec.End <= rec.LSN || rec.LSN < a.Start() || rec.LSN >= a.End() {
				return fmt.Errorf("record from %s to %s", rec.LSN, rec.End)
			}
			for i := range rec.Blocks {
				if rec.Blocks[i].HasImage && opts.Workers == 1 {
					_ = restorer.RestoreImage(page, &rec.Blocks[i]) // an error is as good as a page
				}
			}
			_, _ = DecodeCheckpoint(rec)
			return nil
		},
		func(acc *[]pg.LSN, span *Span) error {
			lsns = append(lsns, *acc...)
			gaps = append(gaps, span.Gaps...)
			*acc = (*acc)[:0]
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(lsns); i++ {
		if lsns[i] <= lsns[i-1] {
			t.Fatalf("record %s comes after %s", lsns[i], lsns[i-1])
		}
	}
	for _, gap := range gaps {
		if gap.From >= gap.To || gap.From < a.Start() {
			t.Fatalf("gap %+v of a log from %s", gap, a.Start())
		}
	}
	return lsns, gaps
}

func FuzzScan(f *testing.F) {
	real := seed(f)
	f.Add(real, uint32(0), byte(0))
	f.Add(real[:3*pg.BlockSize], uint32(9000), byte(1))
	f.Add(real[:5*pg.BlockSize+100], uint32(50), byte(0x80))
	f.Fuzz(func(t *testing.T, data []byte, at uint32, flip byte) {
		data = bytes.Clone(data)
		if len(data) > 0 {
			data[int(at)%len(data)] ^= flip
		}
		a, err := assemble(&collection{files: []*segmentFile{memoryFile(t, data, 0)}}, OpenOptions{})
		if err != nil {
			return
		}
		// A CRC is in the way of damage that decoders must survive, so look behind it too.
		walk(t, a, ScanOptions{Workers: 1, SkipCRC: true})
		walk(t, a, ScanOptions{Workers: 2})
	})
}

// seedRecords are the bodies of the real records that lie within one page of the seed.
func seedRecords(t testing.TB) [][]byte {
	t.Helper()
	var bodies [][]byte
	data := seed(t)
	for page := 0; page+pg.BlockSize <= len(data); page += pg.BlockSize {
		f := binreader.Fields(data[page : page+pg.BlockSize])
		h, _ := decodePageHeader(f)
		off := h.headerSize
		if h.info&pageFirstIsContrecord != 0 {
			off += int(align8(pg.LSN(h.remLen)))
		}
		for {
			length := int(f.Uint32(off))
			if length < recordHeaderSize || !f.Has(off, length) {
				break
			}
			bodies = append(bodies, f.Bytes(off+recordHeaderSize, length-recordHeaderSize))
			off += int(align8(pg.LSN(length)))
		}
	}
	if len(bodies) < 50 {
		t.Fatalf("the seed has only %d records within pages", len(bodies))
	}
	return bodies
}

func FuzzDecodeRecord(f *testing.F) {
	for _, body := range seedRecords(f) {
		f.Add(body)
	}
	layout, err := LayoutOf(0xD110)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rec := &Record{Layout: layout}
		if rec.decode(body) != nil {
			return
		}
		total := len(rec.Main)
		for i := range rec.Blocks {
			b := &rec.Blocks[i]
			total += len(b.Data) + len(b.Image.Stored)
			if i > 0 && b.ID <= rec.Blocks[i-1].ID {
				t.Fatal("block ids are out of order")
			}
			if b.HasImage && int(b.Image.HoleOffset)+int(b.Image.HoleLength) > pg.BlockSize {
				t.Fatalf("hole %+v", b.Image)
			}
		}
		if total > len(body) {
			t.Fatalf("%d bytes out of %d", total, len(body))
		}
	})
}

func FuzzParseHistory(f *testing.F) {
	f.Add("1\t0/3000148\tno recovery target specified\n\n2\t0/5000000\tbefore 2026-01-01\n")
	f.Add("# made by hand\n1 0/1 x")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHistory(text)
		for i := 1; err == nil && i < len(h); i++ {
			if h[i].timeline <= h[i-1].timeline || h[i].end < h[i-1].end {
				t.Fatalf("%v is not in order", h)
			}
		}
	})
}

// Pages that cannot be read cost what is on them, and nothing else.
func TestUnreadablePagesAreAGap(t *testing.T) {
	t.Parallel()
	data := seed(t)
	whole, err := assemble(&collection{files: []*segmentFile{memoryFile(t, data, 0)}}, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all, gaps := walk(t, whole, ScanOptions{})
	if len(gaps) > 0 {
		t.Fatalf("gaps %+v", gaps)
	}
	const broken = 5 * pg.BlockSize
	file := memoryFile(t, data, broken)
	file.Bytes, file.Start, file.Number = int64(len(data)), whole.log[0].Start, whole.log[0].Number
	a := &Archive{
		layout: whole.layout, systemID: whole.systemID, segmentSize: whole.segmentSize, timeline: 1, path: whole.path,
		log: []*segmentFile{file}, open: map[*segmentFile]*handle{},
	}
	got, gaps := walk(t, a, ScanOptions{})
	if len(gaps) != 1 || len(got) >= len(all) {
		t.Fatalf("%d of %d records, gaps %+v", len(got), len(all), gaps)
	}
	for _, lsn := range all {
		lost := gaps[0].From <= lsn && lsn < gaps[0].To
		if found := slices.Contains(got, lsn); found == lost {
			t.Errorf("record %s: found %v, in the gap %v", lsn, found, lost)
		}
	}
}
