package casefile

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Candidate is one version of a row, as one route found it.
type Candidate struct {
	ID         int64
	RelationID int64
	// Group counts the keys from 1: candidates of one key follow each other.
	Group int64
	Key   []evidence.Value // one for each column asked for
	evidence.Row
}

// Candidates lists all versions of the tables' rows, those of one key together,
// the best first: confidence, then the LSN of the record that destroyed them, the
// last first. Where no LSN is known, what nothing is known to have destroyed comes
// first, then what was destroyed last, then of logs what stands on a later line. Versions that
// nobody ever saw come behind all others. key names the
// columns of the key; without any, rows with the same values are together. A key
// with an unknown value in it is a key like others: its candidates may be different
// rows. A candidate is valid until the next one.
func (c *Case) Candidates(ctx context.Context, relationIDs []int64, key []string) iter.Seq2[*Candidate, error] {
	return func(yield func(*Candidate, error) bool) {
		s, err := c.newCandidateScan(ctx, relationIDs, key)
		if err != nil {
			yield(nil, c.fail(ctx, "read rows of", err))
			return
		}
		defer s.rows.close()
		for {
			more, err := s.rows.next(s.scan)
			if err != nil {
				yield(nil, c.fail(ctx, "read rows of", err))
				return
			}
			if !more || !yield(&s.candidate, nil) {
				return
			}
		}
	}
}

type candidateScan struct {
	c         *Case
	rows      *query
	shapes    map[int64]*evidence.Relation
	texts     map[int64]string
	candidate Candidate
	key       []byte // of the candidate before
	keyBuf    []byte
	data      []byte
	successor []byte
	values    []evidence.Value // kept for their memory
	after     []evidence.Value
	origins   []evidence.Origin
}

const selectRow = `SELECT row.id, row.relation_id, row.shape_id, row.route, row.confidence, row.place, row.origin, row.lsn, row.xmin, row.xmax,
 row.source_id, row.line, row.operation, row.commit_time, row.note_id, row.intermediate, row.moved, row.data, row.successor, %s AS origins, %s AS k
FROM row`

const selectCandidates = selectRow + ` WHERE row.relation_id IN (%s) ORDER BY k, row.intermediate, row.confidence, row.lsn DESC,
 CASE WHEN row.lsn = 0 THEN ifnull(row.commit_time, 9223372036854775807) END DESC, row.route, CASE WHEN row.route = 7 THEN row.line END DESC, row.id`

func (c *Case) newRowScan() (*candidateScan, error) {
	_, shapes, err := c.readShapes()
	return &candidateScan{c: c, texts: make(map[int64]string), shapes: shapes}, err
}

func (c *Case) newCandidateScan(ctx context.Context, relationIDs []int64, key []string) (*candidateScan, error) {
	s, err := c.newRowScan()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(relationIDs))
	for i, id := range relationIDs {
		ids[i] = strconv.FormatInt(id, 10)
	}
	expression := "row.data"
	if len(key) > 0 {
		places := make(map[int64][]int, len(s.shapes))
		for id, rel := range s.shapes {
			for _, name := range key {
				places[id] = append(places[id], rel.Column(name))
			}
		}
		if expression, err = c.keyFunction(places); err != nil {
			return nil, err
		}
	}
	s.rows, err = c.query(ctx, fmt.Sprintf(selectCandidates, c.originsColumn(), expression, strings.Join(ids, ",")))
	return s, err
}

// keyFunction makes an SQL function that picks the key out of a row's values, and
// returns the call of it.
func (c *Case) keyFunction(places map[int64][]int) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.functions++
	name := fmt.Sprintf("row_key_%d", c.functions)
	var items [][]byte
	var out []byte
	err := c.conn.CreateFunction(name, &sqlite.FunctionImpl{
		NArgs: 2, Deterministic: true,
		Scalar: func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			var err error
			if items, err = splitValues(items[:0], []byte(args[1].Text())); err != nil {
				return sqlite.Value{}, err
			}
			out = append(out[:0], '[')
			for i, place := range places[args[0].Int64()] {
				if i > 0 {
					out = append(out, ',')
				}
				if place < 0 || place >= len(items) {
					out = appendValue(out, &evidence.Value{State: evidence.Unknown, Reason: evidence.ReasonNoColumn})
					continue
				}
				out = append(out, items[place]...)
			}
			return sqlite.TextValue(string(append(out, ']'))), nil
		},
	})
	return name + "(row.shape_id, row.data)", err
}

// splitValues appends the JSON of each value of an array, unread.
func splitValues(dst [][]byte, text []byte) ([][]byte, error) {
	p := valueParser{text: text}
	err := p.array(func() error {
		p.space()
		start := p.at
		err := p.skip()
		if err == nil {
			dst = append(dst, text[start:p.at])
		}
		return err
	})
	return dst, err
}

// skip steps over a value. A plain string, which most are, is not copied.
func (p *valueParser) skip() error {
	if p.at >= len(p.text) || p.text[p.at] != '"' {
		_, err := p.value()
		return err
	}
	for at := p.at + 1; at < len(p.text); at++ {
		switch p.text[at] {
		case '\\':
			at++
		case '"':
			p.at = at + 1
			return nil
		}
	}
	return p.fail("the string does not end")
}

// readShapes reads tables and shapes.
func (c *Case) readShapes() ([]*Relation, map[int64]*evidence.Relation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, err := c.relations()
	if err != nil {
		return nil, nil, err
	}
	byID := make(map[int64]*Relation, len(list))
	for _, rel := range list {
		byID[rel.ID] = rel
	}
	shapes, err := c.shapes(byID)
	return list, shapes, err
}

func (s *candidateScan) text(id int64) (string, error) {
	text, known := s.texts[id]
	if id == 0 || known {
		return text, nil
	}
	text, err := s.c.textOf("SELECT text FROM text WHERE id = ?", id)
	if len(s.texts) >= mostTexts {
		clear(s.texts)
	}
	s.texts[id] = text
	return text, err
}

// scan reads the candidate that the statement stands on.
func (s *candidateScan) scan(stmt *sqlite.Stmt) error {
	to := &s.candidate
	rel := s.shapes[stmt.ColumnInt64(2)]
	if rel == nil {
		return failure("read rows of", s.c.dir, ErrDamaged, fmt.Errorf("row %d has no shape", stmt.ColumnInt64(0)), hintDamaged)
	}
	to.ID, to.RelationID, to.Row.Relation = stmt.ColumnInt64(0), stmt.ColumnInt64(1), rel
	place := stmt.ColumnInt64(5)
	to.Provenance = evidence.Provenance{
		Route: routeOf(stmt.ColumnInt64(3)), Confidence: confidenceOf(stmt.ColumnInt64(4)), LSN: pg.LSN(stmt.ColumnInt64(7)),
		Xmin: pg.XID(stmt.ColumnInt64(8)), Xmax: pg.XID(stmt.ColumnInt64(9)), Line: stmt.ColumnInt64(11), Operation: operationOf(stmt.ColumnInt64(12)),
	}
	if stmt.ColumnInt64(6) == 0 {
		to.TID = pg.TID{Block: pg.BlockNumber(place >> 16), Offset: pg.OffsetNumber(place)}
	}
	if !stmt.ColumnIsNull(13) {
		to.CommitTime = time.UnixMicro(stmt.ColumnInt64(13)).UTC()
	}
	var err error
	if to.Source, err = s.text(stmt.ColumnInt64(10)); err != nil {
		return err
	}
	if to.Note, err = s.text(stmt.ColumnInt64(14)); err != nil {
		return err
	}
	to.Intermediate, to.Moved = stmt.ColumnBool(15), stmt.ColumnBool(16)
	if err := s.scanValues(stmt, rel); err != nil {
		return failure("read rows of", s.c.dir, ErrDamaged, fmt.Errorf("row %d: %w", to.ID, err), hintDamaged)
	}
	return nil
}

// scanValues reads values and key.
func (s *candidateScan) scanValues(stmt *sqlite.Stmt, rel *evidence.Relation) error {
	to := &s.candidate
	s.data = columnBytes(stmt, 17, s.data)
	var err error
	if s.values, err = ParseValues(s.values[:0], s.data); err != nil {
		return err
	}
	to.Values, to.Successor = s.values, nil
	if !stmt.ColumnIsNull(18) {
		s.successor = columnBytes(stmt, 18, s.successor)
		if s.after, err = ParseValues(s.after[:0], s.successor); err != nil {
			return err
		}
		to.Successor = s.after
	}
	to.Origins = nil
	if !stmt.ColumnIsNull(19) {
		if s.origins, err = parseOrigins(s.origins[:0], columnBytes(stmt, 19, nil), &to.Row); err != nil {
			return err
		}
		to.Origins = s.origins
	}
	if len(s.values) != len(rel.Columns) || to.Successor != nil && len(to.Successor) != len(rel.Columns) ||
		to.Origins != nil && len(to.Origins) != len(rel.Columns) {
		return fmt.Errorf("it has %d values for %d columns", len(s.values), len(rel.Columns))
	}
	s.keyBuf = columnBytes(stmt, 20, s.keyBuf)
	if to.Group == 0 || string(s.keyBuf) != string(s.key) {
		to.Group++
		s.key = append(s.key[:0], s.keyBuf...)
		to.Key, err = ParseValues(to.Key[:0], s.key)
	}
	return err
}

// Relations lists the tables that the case has something of.
func (c *Case) Relations(ctx context.Context) ([]Relation, error) {
	list, _, err := c.readShapes()
	if err != nil {
		return nil, c.fail(ctx, "read tables of", err)
	}
	out := make([]Relation, len(list))
	for i, rel := range list {
		out[i] = *rel
	}
	return out, nil
}
