package casefile

import (
	"strings"

	"zombiezen.com/go/sqlite"
)

// insertText is an INSERT without its VALUES: columns are the
// numbers of a record, then its texts, then the sum.
type insertText struct{ into, columns, conflict string }

// The better of two finds of the same version stays: more known values, then the
// better confidence, then the one that knows the successor, then the last.
func insertRow() insertText {
	return insertText{
		into: "row",
		columns: `relation_id, run_id, shape_id, route, confidence, place, lsn, xmin, xmax, origin, nth, source_id, line,
 operation, commit_time, note_id, intermediate, moved, unknown, key, data, successor, origins, sum`,
		conflict: `(relation_id, route, place, lsn, xmin, xmax, origin, nth) DO UPDATE SET
 run_id = excluded.run_id, shape_id = excluded.shape_id, confidence = excluded.confidence, source_id = excluded.source_id, line = excluded.line,
 operation = excluded.operation, commit_time = excluded.commit_time, note_id = excluded.note_id, intermediate = excluded.intermediate,
 moved = excluded.moved, unknown = excluded.unknown, key = excluded.key, data = excluded.data, successor = excluded.successor,
 origins = excluded.origins, sum = excluded.sum
WHERE excluded.unknown < unknown OR excluded.unknown = unknown AND (excluded.confidence < confidence OR excluded.confidence = confidence AND
 ((excluded.successor IS NOT NULL) > (successor IS NOT NULL) OR (excluded.successor IS NOT NULL) = (successor IS NOT NULL)
 AND (excluded.sum <> sum OR excluded.data <> data)))`,
	}
}

// The better settlement stays, then that of the more trusted route, then the last.
func insertLedger() insertText {
	return insertText{
		into: "ledger",
		columns: `relation_id, run_id, file_id, block, offset, lsn, standing, xid, subxid, operation, commit_time, named_by,
 settled_by, in_part, carved, derived, unsure, reason_id, copy_id, sum`,
		conflict: `(relation_id, file_id, block, offset, lsn) DO UPDATE SET
 run_id = excluded.run_id, standing = excluded.standing, xid = excluded.xid, subxid = excluded.subxid, operation = excluded.operation,
 commit_time = excluded.commit_time, named_by = excluded.named_by, settled_by = excluded.settled_by, in_part = excluded.in_part,
 carved = excluded.carved, derived = excluded.derived, unsure = excluded.unsure, reason_id = excluded.reason_id, copy_id = excluded.copy_id,
 sum = excluded.sum
WHERE excluded.standing < standing OR excluded.standing = standing AND (ifnull(excluded.settled_by, 9) < ifnull(settled_by, 9)
 OR ifnull(excluded.settled_by, 9) = ifnull(settled_by, 9) AND excluded.sum <> sum)`,
	}
}

// width is the number of columns.
func (t insertText) width() int { return strings.Count(t.columns, ",") + 1 }

// of is the statement for that many records.
func (t insertText) of(records int) string {
	one := "(" + strings.TrimSuffix(strings.Repeat("?, ", t.width()), ", ") + ")"
	return "INSERT OR ROLLBACK INTO " + t.into + " (" + t.columns + ") VALUES " + strings.TrimSuffix(strings.Repeat(one+", ", records), ", ") +
		" ON CONFLICT " + t.conflict
}

// groupRecords is how many records one statement inserts: SQLite opens its cursors
// once for them all, and finds the place of each beside the one before.
const groupRecords = 64

// insertion inserts the records of one table, in groups, and what is left one by one.
type insertion struct {
	group, single statement
}

func newInsertion(conn *sqlite.Conn, text insertText, nullable uint32) (*insertion, error) {
	group, err := conn.Prepare(text.of(groupRecords))
	if err != nil {
		return nil, err
	}
	single, err := conn.Prepare(text.of(1))
	return &insertion{
		group:  statement{stmt: group, width: text.width(), nullable: nullable, bound: make([][recordNumbers]int64, groupRecords), origins: make([]bool, groupRecords)},
		single: statement{stmt: single, width: text.width(), nullable: nullable, bound: make([][recordNumbers]int64, 1), origins: make([]bool, 1)},
	}, err
}

// insert writes records, whose texts lie in text.
func (in *insertion) insert(records []record, text []byte) error {
	for len(records) >= groupRecords {
		if err := in.group.insert(records[:groupRecords], text); err != nil {
			return err
		}
		records = records[groupRecords:]
	}
	for i := range records {
		if err := in.single.insert(records[i:i+1], text); err != nil {
			return err
		}
	}
	return nil
}

// statement is an INSERT that keeps its parameters from one call to the next: most
// of them are the same.
type statement struct {
	stmt     *sqlite.Stmt
	width    int                    // parameters of one record
	nullable uint32                 // of which 0 is written as NULL, by bit
	bound    [][recordNumbers]int64 // of each record
	origins  []bool                 // whether the record has origins
	begun    bool
}

func (s *statement) insert(records []record, text []byte) error {
	for i := range records {
		s.bind(i, &records[i], text)
	}
	s.begun = true
	if _, err := s.stmt.Step(); err != nil {
		return err
	}
	return s.stmt.Reset()
}

// bind binds the parameters of the n-th record: numbers, texts, sum.
func (s *statement) bind(n int, rec *record, text []byte) {
	stmt, bound, at := s.stmt, &s.bound[n], n*s.width+1
	for i, number := range rec.numbers {
		switch {
		case s.begun && bound[i] == number:
			continue
		case number == 0 && s.nullable>>i&1 == 1:
			stmt.BindNull(at + i)
		default:
			stmt.BindInt64(at+i, number)
		}
		bound[i] = number
	}
	at += recordNumbers
	if !rec.ledger {
		data, rest := text[rec.from:rec.from+rec.data], text[rec.from+rec.data:]
		bindText(stmt, at, rest[:rec.key])
		bindText(stmt, at+1, data)
		rest = rest[rec.key:]
		bindText(stmt, at+2, rest[:rec.successor])
		if has := rec.origins > 0; has || s.origins[n] || !s.begun {
			bindText(stmt, at+3, rest[rec.successor:rec.successor+rec.origins])
			s.origins[n] = has
		}
		at += 4
	}
	stmt.BindInt64(at, int64(rec.sum))
}
