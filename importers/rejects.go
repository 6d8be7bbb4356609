package importers

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// rejectsMark is in the names of all files that a RejectWriter makes.
const rejectsMark = ".rejects"

// namesRejects reports whether a file has a name that a RejectWriter gives.
func namesRejects(name string) bool {
	return strings.Contains(name, rejectsMark+".") || strings.Contains(name, rejectsMark+"-")
}

// RejectWriter keeps what was not taken in two files: one in the format of the source, which can
// be repaired and imported again, and one of JSON Lines that says where each stood and why it was
// not taken. They are made with the first Reject, for their owner alone, and no file that is
// there already is written to.
type RejectWriter struct {
	base    string
	head    *Head
	form    rejectForm
	reasons *rejectFile
	records *rejectFile
	count   int64
	last    where
	written map[where]struct{} // the records that are in the file, up to maxWritten of them
}

// where is the place of a record in its source.
type where struct{ line, offset int64 }

// maxWritten bounds the memory that knows which records are in the file. Behind it, a record that
// is rejected at two times is there twice.
const maxWritten = 1 << 18

// rejectForm is how rejected records are written.
type rejectForm uint8

const (
	asText   rejectForm = iota // lines of a text, as they stand in the source
	asJSON                     // one JSON value a line
	asFields                   // the cells of a sheet, as CSV
)

// NewRejectWriter makes a writer of BASE.rejects.csv, or .ndjson for JSON, and BASE.rejects.jsonl.
func NewRejectWriter(base string, head *Head) *RejectWriter {
	w := &RejectWriter{base: base, head: head, form: asFields, written: make(map[where]struct{})}
	switch head.Source.Format {
	case FormatCSV:
		w.form = asText
	case FormatJSON:
		w.form = asJSON
	}
	return w
}

// Count is how many rejects were put.
func (w *RejectWriter) Count() int64 { return w.count }

// Files lists the files that were made.
func (w *RejectWriter) Files() []string {
	var files []string
	for _, file := range []*rejectFile{w.records, w.reasons} {
		if file != nil {
			files = append(files, file.path)
		}
	}
	return files
}

// reasonLine is a line of the file of reasons.
type reasonLine struct {
	Line   int64  `json:"line"`
	Number int64  `json:"number,omitempty"`
	Offset *int64 `json:"offset,omitempty"`
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
	Text   string `json:"text,omitempty"`
}

// Put keeps one reject. Of several for the same record, the record itself is written once.
func (w *RejectWriter) Put(reject *Reject) error {
	if err := w.create(); err != nil {
		return err
	}
	w.count++
	line := reasonLine{
		Line: reject.Line, Number: reject.Number, Column: reject.Column, Reason: reject.Reason,
		Text: string(bytes.ToValidUTF8(reject.Text, []byte("\uFFFD"))),
	}
	if reject.Offset >= 0 {
		line.Offset = &reject.Offset
	}
	encoded, err := marshalLine(line)
	if err != nil {
		return w.failed(err)
	}
	if err := w.reasons.write(encoded); err != nil {
		return err
	}
	place := where{reject.Line, reject.Offset}
	if _, there := w.written[place]; there || place == w.last {
		return nil
	}
	if w.last = place; len(w.written) < maxWritten {
		w.written[place] = struct{}{}
	}
	record, err := w.record(reject)
	if err != nil {
		return w.failed(err)
	}
	return w.records.write(record)
}

func marshalLine(line any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(line)
	return b.Bytes(), err
}

// record is a reject in the format of its source, with a line's end.
func (w *RejectWriter) record(reject *Reject) ([]byte, error) {
	switch w.form {
	case asFields:
		cells := make([]string, len(reject.Fields))
		for i := range reject.Fields {
			cells[i] = string(reject.Fields[i].Text)
		}
		return csvLine(cells)
	case asJSON:
		value := jsontext.Value(bytes.Clone(reject.Text))
		if value.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
			// No JSON: on one line at least, where white space means nothing.
			value = bytes.Map(func(r rune) rune {
				if r == '\n' || r == '\r' {
					return ' '
				}
				return r
			}, reject.Text)
		}
		return append(value, '\n'), nil
	}
	return append(bytes.Clone(reject.Text), '\n'), nil
}

func csvLine(cells []string) ([]byte, error) {
	var b bytes.Buffer
	writer := csv.NewWriter(&b)
	if err := writer.Write(cells); err != nil {
		return nil, err
	}
	writer.Flush()
	return b.Bytes(), writer.Error()
}

// create makes the files, unless they are there.
func (w *RejectWriter) create() error {
	if w.records != nil {
		return nil
	}
	ending := ".csv"
	if w.form == asJSON {
		ending = ".ndjson"
	}
	records, reasons, err := createPair(w.base+rejectsMark, ending, ".jsonl")
	if err != nil {
		return err
	}
	w.records, w.reasons = records, reasons
	switch {
	case w.form == asText && w.head.Line > 0:
		return w.records.write(append(bytes.Clone(w.head.Raw), '\n'))
	case w.form == asFields:
		header, err := csvLine(w.head.Header)
		if err != nil {
			return w.failed(err)
		}
		return w.records.write(header)
	}
	return nil
}

// Close writes what is left, to the disk.
func (w *RejectWriter) Close() error {
	var errs []error
	for _, file := range []*rejectFile{w.records, w.reasons} {
		if file != nil {
			errs = append(errs, file.close())
		}
	}
	return errors.Join(errs...)
}

// Discard removes what was made, of rejects that nobody is to be told of.
func (w *RejectWriter) Discard() {
	for _, file := range []*rejectFile{w.records, w.reasons} {
		if file != nil {
			file.file.Close()
			os.Remove(file.path)
		}
	}
	w.records, w.reasons = nil, nil
}

func (w *RejectWriter) failed(err error) error {
	return &evidence.Error{Op: "importers: write rejects", Place: w.base, Err: err}
}

// rejectFile is one of the two files.
type rejectFile struct {
	path string
	file *os.File
	w    *bufio.Writer
}

// createPair makes two new files that differ in their ending. Rejects of an earlier run may have
// been repaired since: they stay, and the new ones get a number.
func createPair(base, first, second string) (a, b *rejectFile, err error) {
	for n := 1; ; n++ {
		stem := base
		if n > 1 {
			stem = fmt.Sprintf("%s-%d", base, n)
		}
		if a, err = createReject(stem + first); err == nil {
			if b, err = createReject(stem + second); err == nil {
				return a, b, nil
			}
			a.file.Close()
			os.Remove(a.path) // nothing is in it
		}
		if !errors.Is(err, fs.ErrExist) || n == 9999 {
			return nil, nil, &evidence.Error{Op: "importers: write rejects", Place: base, Err: err, Hint: "name another folder with --rejects"}
		}
	}
}

func createReject(path string) (*rejectFile, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &rejectFile{path: path, file: file, w: bufio.NewWriter(file)}, nil
}

func (f *rejectFile) write(b []byte) error {
	if _, err := f.w.Write(b); err != nil {
		return &evidence.Error{Op: "importers: write rejects", Place: f.path, Err: err}
	}
	return nil
}

func (f *rejectFile) close() error {
	err := errors.Join(f.w.Flush(), f.file.Sync(), f.file.Close())
	if err != nil {
		return &evidence.Error{Op: "importers: write rejects", Place: f.path, Err: err}
	}
	return nil
}
