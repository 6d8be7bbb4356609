package casefile

import (
	"errors"
	"sync/atomic"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

const (
	batchRecords = 512
	batchBytes   = 1 << 20   // of texts, after which a batch is full
	keepBytes    = 4 << 20   // of memory that a batch keeps after a huge row
	longestRow   = 900 << 20 // of texts; SQLite holds 1,000,000,000 bytes in a row
	batches      = 3         // one is filled, one waits, one is written
)

// pipe takes rows and ledger lines to the database on a goroutine of its own, so
// that a route finds the next rows meanwhile. Its memory is that of a few batches.
type pipe struct {
	current *pipeBatch
	full    chan *pipeBatch
	free    chan *pipeBatch
	ended   chan struct{}
	failed  atomic.Pointer[error] // the first; nothing is written after it
	longest int                   // bytes of a row's texts

	rows, lines *insertion
}

// pipeBatch is what goes through the pipe at once.
type pipeBatch struct {
	rows    []record
	lines   []record
	text    []byte // of the rows
	key     []evidence.Value
	written chan struct{} // closed when it is written, if somebody waits
}

var errAbandoned = errors.New("the run was abandoned")

// newPipe begins to take what the run finds.
func (r *Run) newPipe() (*pipe, error) {
	p := &pipe{full: make(chan *pipeBatch, batches), free: make(chan *pipeBatch, batches), ended: make(chan struct{}), longest: longestRow}
	for range batches {
		p.free <- &pipeBatch{rows: make([]record, 0, batchRecords), lines: make([]record, 0, batchRecords)}
	}
	var err error
	if p.rows, err = newInsertion(r.c.conn, insertRow(), rowNullable); err != nil {
		return nil, err
	}
	if p.lines, err = newInsertion(r.c.conn, insertLedger(), ledgerNullable); err != nil {
		return nil, err
	}
	p.current = <-p.free
	go p.write(r.c)
	return p, nil
}

// room makes sure that the current batch has room for a record.
func (p *pipe) room(r *Run) (*pipeBatch, error) {
	if r.done {
		return nil, errRunEnded
	}
	if b := p.current; len(b.rows) < batchRecords && len(b.lines) < batchRecords && len(b.text) < batchBytes {
		return b, nil
	}
	p.full <- p.current
	p.current = <-p.free
	if failed := p.failed.Load(); failed != nil {
		return nil, *failed
	}
	return p.current, nil
}

// flush waits until everything is written.
func (p *pipe) flush() error {
	if p == nil {
		return nil
	}
	b := p.current
	written := make(chan struct{})
	b.written = written
	p.full <- b
	<-written
	p.current = <-p.free
	if failed := p.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// stop ends the pipe; what is not written yet is dropped.
func (p *pipe) stop() {
	if p == nil {
		return
	}
	p.failed.CompareAndSwap(nil, &errAbandoned)
	close(p.full)
	<-p.ended
}

// write is the goroutine.
func (p *pipe) write(c *Case) {
	defer close(p.ended)
	for b := range p.full {
		if p.failed.Load() == nil {
			p.writeBatch(c, b)
		}
		b.rows, b.lines, b.text = b.rows[:0], b.lines[:0], b.text[:0]
		if cap(b.text) > keepBytes {
			b.text = nil
		}
		if b.written != nil {
			close(b.written)
			b.written = nil
		}
		p.free <- b
	}
}

// writeBatch writes a batch. Its error is known before anybody else can see what
// it did to the transaction.
func (p *pipe) writeBatch(c *Case, b *pipeBatch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.inTransaction()
	if err == nil {
		err = p.rows.insert(b.rows, b.text)
	}
	if err == nil {
		err = p.lines.insert(b.lines, nil)
	}
	if err != nil {
		p.failed.CompareAndSwap(nil, &err)
	}
}
