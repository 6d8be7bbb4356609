package restore

import (
	"context"
	"io"
	"iter"
	"sync"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
)

// copyChunk is how much of COPY's text is made at a time.
const copyChunk = 64 << 10

// keepMost is how much room is kept after a huge row.
const keepMost = 4 << 20

// copyReader is rows as COPY's text, made while it is read.
type copyReader[R any] struct {
	rows iter.Seq2[R, error]
	next func() (R, error, bool)
	// line appends the line of a row, or nothing for a row that is not to be loaded.
	line func(dst []byte, row R) ([]byte, error)
	// enough tells whether a piece of the text is long enough to be sent; settle may take
	// lines out of it again, and tells how many. Without them a piece is copyChunk long.
	enough  func(bytes int) bool
	settle  func(piece []byte) ([]byte, int64, error)
	advance func(rows, bytes int64)
	buf     []byte
	unread  []byte
	err     error
	reading sync.Mutex // held by Read
	ended   bool
}

// Read gives the next piece of the text.
func (r *copyReader[R]) Read(p []byte) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if r.ended {
		return 0, io.ErrClosedPipe
	}
	for len(r.unread) == 0 && r.err == nil {
		r.fill()
	}
	if len(r.unread) == 0 {
		return 0, r.err
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// end waits for a Read, and lets no other begin: where a connection is lost or a context is
// canceled, CopyFrom returns while its goroutine may still be reading.
func (r *copyReader[R]) end() {
	r.reading.Lock()
	defer r.reading.Unlock()
	r.ended = true
}

func (r *copyReader[R]) fill() {
	if cap(r.buf) > keepMost {
		r.buf = nil
	}
	r.buf = r.buf[:0]
	lines := int64(0)
	for !r.full() && r.err == nil {
		row, err, ok := r.next()
		switch {
		case !ok:
			r.err = io.EOF
		case err != nil:
			r.err = err
		default:
			before := len(r.buf)
			if r.buf, r.err = r.line(r.buf, row); len(r.buf) > before {
				lines++
			}
		}
	}
	if r.settle != nil && (r.err == nil || r.err == io.EOF) {
		piece, dropped, err := r.settle(r.buf)
		r.buf = piece
		lines -= dropped
		if err != nil {
			r.err = err
		}
	}
	r.unread = r.buf
	r.advance(lines, int64(len(r.buf)))
}

func (r *copyReader[R]) full() bool {
	if r.enough == nil {
		return len(r.buf) >= copyChunk
	}
	return r.enough(len(r.buf))
}

// copyRows loads rows into a table with COPY.
func copyRows[R any](ctx context.Context, conn *live.Conn, into string, source *copyReader[R]) error {
	next, stop := iter.Pull2(source.rows)
	defer stop()
	source.next = next
	_, err := conn.PgConn().CopyFrom(ctx, source, "COPY "+into+" FROM STDIN")
	source.end()
	if source.err != nil && source.err != io.EOF {
		// What the case could not give is the cause; the server only says that COPY ended early.
		return source.err
	}
	if err != nil {
		return conn.Failure(ctx, "copy rows into "+into+" at", err)
	}
	return nil
}

// appendCopyLine appends a row as COPY reads it.
func appendCopyLine(dst []byte, values []evidence.Value) []byte {
	for i := range values {
		if i > 0 {
			dst = append(dst, '\t')
		}
		if values[i].State != evidence.Known {
			dst = append(dst, '\\', 'N')
			continue
		}
		dst = evidence.AppendCopyText(dst, values[i].Text)
	}
	return append(dst, '\n')
}
