package restore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// rowHash tells rows without a key apart by all of their values.
type rowHash [16]byte

func hashLine(line []byte) rowHash {
	sum := sha256.Sum256(line)
	return rowHash(sum[:16])
}

// multiset compares the rows of a table without a key: each must be there as often as the
// plan promises. It keeps a hash of each promised row, and reads the whole table; twice
// when the evidence writes values in another way than the target does.
func (v *verifier) multiset(ctx context.Context, p *place) (int64, error) {
	own := map[rowHash]rowHash{} // the same row as the target writes it
	left, good, err := v.compareMultiset(ctx, p, own)
	if err != nil {
		return 0, err
	}
	if len(left) > 0 {
		if err := v.rewrite(ctx, p, left, own); err != nil {
			return 0, err
		}
		if len(own) > 0 {
			if left, good, err = v.compareMultiset(ctx, p, own); err != nil {
				return 0, err
			}
		}
	}
	if len(left) == 0 {
		return good, nil
	}
	return good, v.eachPromised(ctx, p, own, func(row *casefile.PlanRow, hash rowHash) error {
		if left[hash] > 0 {
			left[hash]--
			v.find(Finding{Table: p.table.name, Seq: row.Seq, Key: evidence.CloneValues(row.Data), Why: "the row is not there often enough"})
		}
		return nil
	})
}

// eachPromised lists the promised rows of a table with their hashes.
func (v *verifier) eachPromised(ctx context.Context, p *place, own map[rowHash]rowHash, each func(row *casefile.PlanRow, hash rowHash) error) error {
	var line []byte
	for row, err := range v.rowsOf(ctx, p.index, everything()) {
		if err != nil {
			return err
		}
		if !promises(row) {
			continue
		}
		line = appendCopyLine(line[:0], row.Data)
		hash := hashLine(line)
		if other, ok := own[hash]; ok {
			hash = other
		}
		if err := each(row, hash); err != nil {
			return err
		}
	}
	return nil
}

// compareMultiset counts the promised rows that are there, and how many of each are not.
func (v *verifier) compareMultiset(ctx context.Context, p *place, own map[rowHash]rowHash) (left map[rowHash]int64, good int64, err error) {
	left = map[rowHash]int64{}
	err = v.eachPromised(ctx, p, own, func(_ *casefile.PlanRow, hash rowHash) error {
		left[hash]++
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	count := &lineReader{each: func(line []byte) {
		hash := hashLine(line)
		n, wanted := left[hash]
		if !wanted {
			return
		}
		if good++; n > 1 {
			left[hash]--
		} else {
			delete(left, hash)
		}
	}}
	query := fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT", strings.Join(p.names(), ", "), p.table.from())
	if _, err := v.conn.PgConn().CopyTo(ctx, count, query); err != nil {
		return nil, 0, v.conn.Failure(ctx, "read the rows of "+p.table.name+" at", err)
	}
	return left, good, nil
}

// rewrite lets the target write the rows that were not found in its own way.
func (v *verifier) rewrite(ctx context.Context, p *place, left map[rowHash]int64, own map[rowHash]rowHash) error {
	rows := newLists(len(p.columns))
	var casts []string
	for i := range p.columns {
		casts = append(casts, fmt.Sprintf("k.k%d::%s", i, p.columns[i].typ))
	}
	query := "SELECT k.n, " + strings.Join(casts, ", ") + " FROM " + rows.unnested()
	var hashes []rowHash
	var line []byte
	flush := func() error {
		defer func() { hashes = hashes[:0] }()
		return rows.query(ctx, v.conn, "compare values at", query, func(n int, row [][]byte) error {
			line = appendCopyLine(line[:0], valuesOf(row))
			if hash := hashLine(line); hash != hashes[n] {
				own[hashes[n]] = hash
			}
			return nil
		})
	}
	seen := map[rowHash]bool{}
	err := v.eachPromised(ctx, p, nil, func(row *casefile.PlanRow, hash rowHash) error {
		if left[hash] == 0 || seen[hash] {
			return nil
		}
		seen[hash] = true
		hashes = append(hashes, hash)
		rows.add(func(column int) *evidence.Value { return &row.Data[column] })
		if rows.full() {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
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
