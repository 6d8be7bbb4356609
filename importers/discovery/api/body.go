package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// part is one request: its records as a JSON list, and what stands before and behind them.
type part struct {
	number, of     int
	filename       string
	sent, kept     int64
	length         int64 // of the list
	list           func() *listReader
	prefix, suffix []byte
}

// prepare reads the records once, counts them and makes the requests.
func (s *session) prepare(ctx context.Context, imp Import) ([]part, error) {
	e := &encoder{discovery.NewExtraction(imp.Head, imp.Store), imp.Head}
	var parts []part
	var text []byte
	for record, err := range imp.Records {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		var column string
		if text, column, err = e.append(text[:0], record); err != nil {
			if err := imp.reject(record, column, err); err != nil {
				return nil, err
			}
			continue
		}
		if len(parts) == 0 || s.Batch > 0 && parts[len(parts)-1].sent == int64(s.Batch) {
			parts = append(parts, part{number: len(parts) + 1, length: 1})
		}
		p := &parts[len(parts)-1]
		p.sent, p.length = p.sent+1, p.length+int64(len(text))+1
		if e.Dropped(record) == "" {
			p.kept++
		}
	}
	if len(parts) == 0 {
		return nil, &evidence.Error{Op: "api: send", Place: imp.Filename, Err: discovery.ErrEmpty, Hint: "the application refuses it too"}
	}
	stamp := s.now().UTC().Format("2006-01-02T15:04:05.000Z")
	first := int64(0)
	for i := range parts {
		p := &parts[i]
		p.of, p.filename = len(parts), imp.Filename
		if p.of > 1 {
			p.filename = fmt.Sprintf("%s (%d of %d)", imp.Filename, p.number, p.of)
		}
		from, count := first, p.sent
		p.list = func() *listReader { return newListReader(e, imp.Records, from, count) }
		first += p.sent
		if err := s.frame(p, imp, stamp); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// reject gives a record that cannot be sent to the rejects.
func (imp *Import) reject(record *importers.Record, column string, why error) error {
	if imp.Rejects == nil {
		return &evidence.Error{Op: "api: send", Place: fmt.Sprintf("%s line %d", imp.Filename, record.Line), Err: evidence.OfKind(ErrRefused, why)}
	}
	return imp.Rejects(record.Reject(column, why.Error()))
}

// frame makes what stands around the list, in the order in which the browser writes it.
func (s *session) frame(p *part, imp Import, stamp string) error {
	var b bytes.Buffer
	text := func(before, value string) error {
		quoted, err := jsontext.AppendQuote(nil, value)
		b.WriteString(before)
		b.Write(quoted)
		return err
	}
	id := imp.ID
	if p.of > 1 {
		id = partID(imp.ID, p.number)
	}
	p.prefix = []byte(`{"file_data":`)
	err := text(`,"metadata":{"filename":`, p.filename)
	fmt.Fprintf(&b, `,"size":%d`, imp.Size)
	err = errors.Join(err, text(`,"type":`, imp.Type), text(`},"upload_context":{"intended_type":`, imp.Category),
		text(`,"validation_upload_id":`, id), text(`,"upload_timestamp":`, stamp),
		text(`},"client_id":`, s.Tenant.ClientAccount.String()), text(`,"engagement_id":`, s.Tenant.Engagement.String()))
	b.WriteByte('}')
	p.suffix = b.Bytes()
	if err != nil {
		return s.problem(p, ErrRefused, fmt.Errorf("a name of it is no UTF-8: %w", err), "")
	}
	return nil
}

// encoder writes records as the JSON that the application holds.
type encoder struct {
	*discovery.Extraction
	head *importers.Head
}

// errUnsendable: the server's answer to such a value would be an error for the whole import.
var errUnsendable = errors.New("the server cannot store it")

// append writes one record. An error says why it cannot be sent.
func (e *encoder) append(dst []byte, record *importers.Record) ([]byte, string, error) {
	for i := range record.Fields {
		if f := &record.Fields[i]; f.Kind == importers.Text && (bytes.IndexByte(f.Text, 0) >= 0 || !utf8.Valid(f.Text)) {
			return dst, e.head.Header[i], fmt.Errorf("%w: a zero byte, or bytes that are no UTF-8", errUnsendable)
		}
	}
	text, err := e.Append(dst, record)
	if err != nil {
		return dst, "", fmt.Errorf("the application cannot read it: %w", err)
	}
	return text, "", nil
}

// listReader reads records as a JSON list.
type listReader struct {
	mu      sync.Mutex // Close may come while another goroutine reads
	encoder *encoder
	next    func() (*importers.Record, error, bool)
	stop    func()
	skip    int64
	left    int64
	first   bool
	buf     []byte
	off     int
	err     error // why there is no more
	failed  error // of the source
}

var errClosed = errors.New("api: the body was closed")

func newListReader(e *encoder, records iter.Seq2[*importers.Record, error], skip, count int64) *listReader {
	r := &listReader{encoder: e, skip: skip, left: count, first: true, buf: []byte{'['}}
	r.next, r.stop = iter.Pull2(records)
	return r
}

// Read gives the next bytes of the list.
func (r *listReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.off == len(r.buf) {
		if r.err != nil {
			return 0, r.err
		}
		r.buf, r.off = r.buf[:0], 0
		r.more()
	}
	n := copy(p, r.buf[r.off:])
	r.off += n
	return n, nil
}

// more encodes the next records into the buffer.
func (r *listReader) more() {
	for len(r.buf) < 32<<10 {
		if r.left == 0 {
			r.buf, r.err = append(r.buf, ']'), io.EOF
			return
		}
		record, err, ok := r.next()
		if !ok && err == nil {
			err = errors.New("the source has fewer records than before")
		}
		if err != nil {
			r.buf, r.err, r.failed = r.buf[:0], err, err
			return
		}
		before := len(r.buf)
		if !r.first {
			r.buf = append(r.buf, ',')
		}
		text, _, err := r.encoder.append(r.buf, record)
		switch {
		case err != nil: // it was given to the rejects when the records were counted
			r.buf = r.buf[:before]
		case r.skip > 0:
			r.buf, r.skip = r.buf[:before], r.skip-1
		default:
			r.buf, r.first, r.left = text, false, r.left-1
		}
	}
}

// Close ends the reading of the source.
func (r *listReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !errors.Is(r.err, errClosed) {
		r.stop()
		r.buf, r.off, r.err = nil, 0, errClosed
	}
	return nil
}

// source is the error that the source ended with, if it was one.
func (r *listReader) source() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}
