package restore

import (
	"encoding/binary"
	"os"
	"sort"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// lineFile remembers where the rows of a table come from, by their numbers from 1. The
// lines are in a file, so that many rows take no more memory than few.
type lineFile struct {
	file    *os.File
	buf     []byte
	flushed int64 // rows in the file
	sources []sourceRun
}

// sourceRun is where rows come from, from a number on.
type sourceRun struct {
	from  int64
	where evidence.Provenance // without a line
}

const (
	lineSize   = 8
	lineBuffer = 64 << 10
)

func newLineFile() (*lineFile, error) {
	file, err := scratchFile()
	return &lineFile{file: file, buf: make([]byte, 0, lineBuffer)}, err
}

func (f *lineFile) close() {
	if f != nil && f.file != nil {
		_ = f.file.Close() // it has no name, and nobody needs it any more
	}
}

// put notes where the next row comes from.
func (f *lineFile) put(p *evidence.Provenance) error {
	n := len(f.sources)
	if n == 0 || f.sources[n-1].where.Source != p.Source || f.sources[n-1].where.Route != p.Route || f.sources[n-1].where.Confidence != p.Confidence {
		rows := f.flushed + int64(len(f.buf)/lineSize)
		f.sources = append(f.sources, sourceRun{rows + 1, evidence.Provenance{Source: p.Source, Route: p.Route, Confidence: p.Confidence}})
	}
	f.buf = binary.LittleEndian.AppendUint64(f.buf, uint64(p.Line))
	if len(f.buf) < lineBuffer {
		return nil
	}
	_, err := f.file.WriteAt(f.buf, f.flushed*lineSize)
	f.flushed += int64(len(f.buf) / lineSize)
	f.buf = f.buf[:0]
	return err
}

// of tells where a row comes from.
func (f *lineFile) of(seq int64) (evidence.Provenance, error) {
	run := sort.Search(len(f.sources), func(i int) bool { return f.sources[i].from > seq }) - 1
	where := f.sources[run].where
	var line [lineSize]byte
	if at := seq - 1 - f.flushed; at >= 0 {
		copy(line[:], f.buf[at*lineSize:])
	} else if _, err := f.file.ReadAt(line[:], (seq-1)*lineSize); err != nil {
		return where, err
	}
	where.Line = int64(binary.LittleEndian.Uint64(line[:]))
	return where, nil
}
