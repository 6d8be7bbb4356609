package csvfile

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// reading is one read of a List.
type reading struct {
	*List
	ctx     context.Context
	rejects importers.Rejects
	s       *scanner
	yield   func(*importers.Record, error) bool
	record  importers.Record
	arena   []byte // the values of fields with escapes
	seen    int    // records and rejects, to look at the context now and then
}

const (
	manyLines     = 100 // a record of more is told of
	textOfReject  = 64 << 10
	endsWithin    = "the source breaks off within it: "
	quotesGoWrong = "a quote in it is not closed, or the text behind the closing one is no delimiter"
)

// strict reads records by the rules of RFC 4180.
func (r *reading) strict() error {
	if err := r.preamble(); err != nil {
		return err
	}
	for {
		if err := r.interrupted(); err != nil {
			return err
		}
		found := r.s.next()
		if found == endOfStream {
			return r.ended()
		}
		if err := r.strictRecord(found); err != nil {
			return err
		}
	}
}

// interrupted looks at the context now and then.
func (r *reading) interrupted() error {
	if r.seen++; r.seen%1024 == 0 {
		return r.ctx.Err()
	}
	return nil
}

// preamble moves behind the header, or what stands in its place.
func (r *reading) preamble() error {
	skip := r.opts.Skip
	if r.head.Line > 0 {
		skip = int(r.head.Line) - 1
	}
	for range skip {
		if r.s.pos == r.s.end && !r.s.fill() {
			return nil
		}
		r.s.skipLine()
	}
	if r.head.Line > 0 && r.s.next() != endOfStream {
		r.s.take()
	}
	return nil
}

// ended says how the text ended.
func (r *reading) ended() error {
	if r.s.err == nil {
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if errors.Is(r.s.err, importers.ErrBomb) {
		return &evidence.Error{Op: "csvfile: read", Place: r.head.Source.Place(), Err: r.s.err}
	}
	r.gap(r.s.line, "what follows", r.s.err.Error(), "the records up to there were read; there may be more")
	return nil
}

// strictRecord takes the record that the scanner found.
func (r *reading) strictRecord(found fault) error {
	s := r.s
	if found == sound && s.broken() {
		return r.reject("", endsWithin+s.err.Error())
	}
	switch found {
	case misquoted:
		r.gap(s.line, "a record of several lines", quotesGoWrong, "its first line was rejected, and reading goes on with the next")
		return r.reject(r.columnAt(s.at), quotesGoWrong)
	case tooLong:
		return r.tooLong()
	case bareQuote:
		return r.reject(r.columnAt(s.at), "a quote inside a field that does not begin with one")
	case afterQuote:
		return r.reject(r.columnAt(s.at), "text between the closing quote and the delimiter")
	case unclosed:
		return r.reject(r.columnAt(s.at), "its quote is not closed")
	}
	if at := s.invalid(); at >= 0 {
		return r.reject(r.columnAt(at), r.invalidAt(at))
	}
	if column, reason := r.ragged(); reason != "" {
		return r.reject(column, reason)
	}
	r.fields()
	return r.give()
}

// give hands the record on, and moves behind it.
func (r *reading) give() error {
	s := r.s
	r.record.Number++
	r.record.Line, r.record.Offset, r.record.Raw, r.record.Note = s.line, s.offset, s.buf[s.start:s.stop:s.stop], ""
	if s.lines > manyLines {
		r.record.Note = fmt.Sprintf("a record of %d lines: is a quote in it closed where it should be?", s.lines)
	}
	if !r.yield(&r.record, nil) {
		return errStopped
	}
	s.take()
	return nil
}

// fields sets the fields of the record.
func (r *reading) fields() {
	s := r.s
	r.arena = r.arena[:0]
	need := 0
	for _, f := range s.fields {
		if f.escaped {
			need += f.end - f.start
		}
	}
	if need > cap(r.arena) {
		r.arena = make([]byte, 0, 2*need) // at once: the values are slices of it
	}
	fields := r.record.Fields
	for i := range fields {
		if i >= len(s.fields) {
			fields[i].Kind, fields[i].Quoted, fields[i].Text = importers.Missing, false, nil
			continue
		}
		fields[i].Kind, fields[i].Quoted = importers.Text, s.fields[i].quoted
		fields[i].Text, r.arena = s.value(s.fields[i], r.arena)
	}
}

// ragged says why a record does not fit the header.
func (r *reading) ragged() (column, reason string) {
	got, want := len(r.s.fields), len(r.head.Header)
	switch {
	case got == want:
		return "", ""
	case got < want && r.opts.Ragged == Pad:
		return "", ""
	case got == 1:
		return r.head.Header[got], fmt.Sprintf("1 field where the header has %d", want)
	case got < want:
		return r.head.Header[got], fmt.Sprintf("%d fields where the header has %d", got, want)
	}
	for _, f := range r.s.fields[want:] {
		if f.end > f.start {
			return "", fmt.Sprintf("%d fields where the header has %d", got, want)
		}
	}
	return "", ""
}

// columnAt names the column of a place in the buffer, if that is known.
func (r *reading) columnAt(at int) string {
	if at < 0 {
		return ""
	}
	for i, f := range r.s.fields {
		if at <= f.end && i < len(r.head.Header) {
			return r.head.Header[i]
		}
	}
	if behind := len(r.s.fields); behind < len(r.head.Header) {
		return r.head.Header[behind]
	}
	return ""
}

// invalidAt says what is wrong with the byte at a place in the buffer, and where it stands in the source.
func (r *reading) invalidAt(at int) string {
	s := r.s
	where := s.offset + s.encoding.Width(s.buf[s.start:at])
	if s.buf[at] == 0 {
		return fmt.Sprintf("a NUL byte at offset %d, which PostgreSQL cannot store", where)
	}
	if r.encoding == importers.UTF8 {
		return fmt.Sprintf("byte 0x%02X at offset %d is no UTF-8; if all of the file is like that, name its --encoding", s.buf[at], where)
	}
	return fmt.Sprintf("half a character at offset %d", where)
}

// reject gives the record to the rejects, and moves behind it.
func (r *reading) reject(column, reason string) error {
	s := r.s
	err := r.put(&importers.Reject{
		Line: s.line, Offset: s.offset, Column: column, Reason: reason, Text: s.buf[s.start:s.stop:s.stop],
	})
	s.take()
	return err
}

func (r *reading) put(reject *importers.Reject) error {
	if r.rejects == nil {
		return nil
	}
	return r.rejects(reject)
}

// tooLong rejects a line that cannot be kept, by its beginning.
func (r *reading) tooLong() error {
	s := r.s
	reason := fmt.Sprintf("a line of more than %d MiB; only its beginning is kept here", r.limit>>20)
	r.gap(s.line, "a line", reason, "it was rejected, and reading goes on with the next")
	err := r.put(&importers.Reject{
		Line: s.line, Offset: s.offset, Reason: reason, Text: s.buf[s.start:min(s.stop, s.start+textOfReject)],
	})
	s.skipLine()
	return errors.Join(err, r.ctx.Err())
}
