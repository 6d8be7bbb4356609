package casefile

import (
	"errors"
	"sync/atomic"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The better of two finds of the same version stays: more known values, then the
// better confidence, then the one that knows the successor, then the last.
const putRow = `INSERT INTO row (relation_id, run_id, shape_id, route, confidence, place, lsn, xmin, xmax, origin, nth, source_id, line,
 operation, commit_time, note_id, intermediate, moved, unknown, key, data, successor, sum)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)
ON CONFLICT (relation_id, route, place, lsn, xmin, xmax, origin, nth) DO UPDATE SET
 run_id = ?2, shape_id = ?3, confidence = ?5, source_id = ?12, line = ?13, operation = ?14, commit_time = ?15, note_id = ?16,
 intermediate = ?17, moved = ?18, unknown = ?19, key = ?20, data = ?21, successor = ?22, sum = ?23
WHERE ?19 < unknown OR ?19 = unknown AND (?5 < confidence OR ?5 = confidence AND
 ((?22 IS NOT NULL) > (successor IS NOT NULL) OR (?22 IS NOT NULL) = (successor IS NOT NULL) AND (?23 <> sum OR ?21 <> data)))`

const putLedger = `INSERT INTO ledger (relation_id, run_id, file_id, block, offset, lsn, standing, xid, subxid, operation, commit_time, named_by,
 settled_by, in_part, carved, derived, unsure, reason_id, copy_id, sum)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
ON CONFLICT (relation_id, file_id, block, offset, lsn) DO UPDATE SET
 run_id = ?2, standing = ?7, xid = ?8, subxid = ?9, operation = ?10, commit_time = ?11, named_by = ?12, settled_by = ?13, in_part = ?14,
 carved = ?15, derived = ?16, unsure = ?17, reason_id = ?18, copy_id = ?19, sum = ?20
WHERE ?7 < standing OR ?7 = standing AND (ifnull(?13, 9) < ifnull(settled_by, 9) OR ifnull(?13, 9) = ifnull(settled_by, 9) AND ?20 <> sum)`

const (
	batchRecords = 512
	batchBytes   = 1 << 20 // of texts, after which a batch is full
	keepBytes    = 4 << 20 // of memory that a batch keeps after a huge row
	batches      = 3       // one is filled, one waits, one is written
)

// pipe takes rows and ledger lines to the database on a goroutine of its own, so
// that a route finds the next rows meanwhile. Its memory is that of a few batches.
type pipe struct {
	current *pipeBatch
	full    chan *pipeBatch
	free    chan *pipeBatch
	ended   chan struct{}
	failed  atomic.Pointer[error] // the first; nothing is written after it

	row, ledger insertion
}

// pipeBatch is what goes through the pipe at once.
type pipeBatch struct {
	records []record
	text    []byte
	key     []evidence.Value
	written chan struct{} // closed when it is written, if somebody waits
}

var errAbandoned = errors.New("the run was abandoned")

// newPipe begins to take what the run finds.
func (r *Run) newPipe() (*pipe, error) {
	p := &pipe{full: make(chan *pipeBatch, batches), free: make(chan *pipeBatch, batches), ended: make(chan struct{})}
	for range batches {
		p.free <- &pipeBatch{records: make([]record, 0, batchRecords)}
	}
	var err error
	if p.row, err = newInsertion(r.c.conn, putRow, rowNullable); err != nil {
		return nil, err
	}
	if p.ledger, err = newInsertion(r.c.conn, putLedger, ledgerNullable); err != nil {
		return nil, err
	}
	p.current = <-p.free
	go p.write(r.c)
	return p, nil
}

// next is the place of the next record. It is valid until the call after it.
func (p *pipe) next(r *Run) (*record, *pipeBatch, error) {
	if r.done {
		return nil, nil, errRunEnded
	}
	if b := p.current; len(b.records) == batchRecords || len(b.text) >= batchBytes {
		p.full <- b
		p.current = <-p.free
		if failed := p.failed.Load(); failed != nil {
			return nil, nil, *failed
		}
	}
	b := p.current
	b.records = b.records[:len(b.records)+1]
	return &b.records[len(b.records)-1], b, nil
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
		b.records, b.text = b.records[:0], b.text[:0]
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
		err = p.insert(b)
	}
	if err != nil {
		p.failed.CompareAndSwap(nil, &err)
	}
}

func (p *pipe) insert(b *pipeBatch) error {
	text := b.text
	for i := range b.records {
		rec := &b.records[i]
		n := rec.data + rec.key + rec.successor
		into := &p.row
		if rec.ledger {
			into = &p.ledger
		}
		if err := into.insert(rec, text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// insertion is an INSERT that keeps its parameters from one record to the next:
// most of them are the same.
type insertion struct {
	stmt     *sqlite.Stmt
	nullable uint32 // parameters of which 0 is written as NULL, by bit
	bound    [recordNumbers]int64
	begun    bool
}

func newInsertion(conn *sqlite.Conn, text string, nullable uint32) (insertion, error) {
	stmt, err := conn.Prepare(text)
	return insertion{stmt: stmt, nullable: nullable}, err
}

// insert writes one record. Its texts stand behind the numbers, then the sum.
func (in *insertion) insert(rec *record, text []byte) error {
	stmt := in.stmt
	for i, n := range rec.numbers {
		switch {
		case in.begun && in.bound[i] == n:
			continue
		case n == 0 && in.nullable>>i&1 == 1:
			stmt.BindNull(i + 1)
		default:
			stmt.BindInt64(i+1, n)
		}
		in.bound[i] = n
	}
	in.begun = true
	at := recordNumbers + 1
	if !rec.ledger {
		data, rest := text[:rec.data], text[rec.data:]
		bindText(stmt, at, rest[:rec.key])
		bindText(stmt, at+1, data)
		bindText(stmt, at+2, rest[rec.key:])
		at += 3
	}
	stmt.BindInt64(at, int64(rec.sum))
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}
