package restore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
)

// rowHash tells rows without a key apart by all of their values.
type rowHash [16]byte

func hashLine(line []byte) rowHash {
	sum := sha256.Sum256(line)
	return rowHash(sum[:16])
}

// multiset compares the rows of a table without a key: each must be there as often as the
// plan promises. It keeps a hash of each promised row, and reads the whole table.
func (v *verifier) multiset(ctx context.Context, p *place) (int64, error) {
	wanted := map[rowHash]int64{}
	var line []byte
	for row, err := range v.rowsOf(ctx, p.index, everything()) {
		if err != nil {
			return 0, err
		}
		if promises(row) {
			line = appendCopyLine(line[:0], row.Data)
			wanted[hashLine(line)]++
		}
	}
	good := int64(0)
	count := &lineReader{each: func(line []byte) {
		if hash := hashLine(line); wanted[hash] > 0 {
			wanted[hash]--
			good++
			v.advance(1, 0)
		}
	}}
	query := fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT", strings.Join(p.names(), ", "), p.table.from())
	if _, err := v.conn.PgConn().CopyTo(ctx, count, query); err != nil {
		return 0, v.conn.Failure(ctx, "read the rows of "+p.table.name+" at", err)
	}
	for row, err := range v.rowsOf(ctx, p.index, everything()) {
		if err != nil {
			return 0, err
		}
		if !promises(row) {
			continue
		}
		line = appendCopyLine(line[:0], row.Data)
		if hash := hashLine(line); wanted[hash] > 0 {
			wanted[hash]--
			v.find(Finding{Table: p.table.name, Seq: row.Seq, Key: cloneValues(row.Data), Why: "the row is not there often enough"})
		}
	}
	return good, nil
}

// lineReader cuts what is written to it into lines, with their ends.
type lineReader struct {
	each func(line []byte)
	rest []byte
}

var _ io.Writer = (*lineReader)(nil)

// Write takes the next piece of the text.
func (r *lineReader) Write(p []byte) (int, error) {
	n := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			r.rest = append(r.rest, p...)
			return n, nil
		}
		line := p[:end+1]
		if len(r.rest) > 0 {
			r.rest = append(r.rest, line...)
			line = r.rest
		}
		r.each(line)
		r.rest, p = r.rest[:0], p[end+1:]
	}
}
