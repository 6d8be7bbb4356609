package xlsxfile

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Values says what a cell gives.
type Values uint8

// The two.
const (
	// Stored: numbers with the digits that are stored, dates in ISO's form.
	Stored Values = iota
	// Shown: what Excel shows, all of it as text.
	Shown
)

// Merged says what merged cells give.
type Merged uint8

// The two.
const (
	// Fill: the value of the first cell to all of them.
	Fill Merged = iota
	// Anchor: the value to the first cell alone.
	Anchor
)

// Options say how a book is read.
type Options struct {
	Sheets []string // names of those to read; none: all that are not hidden
	Header int      // row of the header, from 1; 0: it is looked for; -1: there is none
	Values Values
	Merged Merged
	Trail  *evidence.Trail
	// Progress is told how many bytes of the sheets' parts were looked at, of how many; may be nil.
	Progress func(done, total int64)
}

// A Book is an Excel file that is being read.
type Book struct {
	source   *importers.Source
	options  Options
	file     *os.File
	parts    *container
	workbook *workbook
	strings  *sharedStrings
	styles   *styles
	shown    *shower
	sheets   []SheetInfo
	lists    []*List
	notes    []string // that concern all sheets

	looked, total int64 // bytes of the sheets
}

// SheetInfo is what a person should know about a sheet.
type SheetInfo struct {
	Name        string `json:"name"`
	Hidden      bool   `json:"hidden"`
	Read        bool   `json:"read"`        // it has a List
	Rows        int64  `json:"rows"`        // that hold a value, the header's among them
	Dimension   string `json:"dimension"`   // what the sheet says of itself
	MergedCells int    `json:"mergedCells"` // ranges
	HiddenRows  int64  `json:"hiddenRows"`
	Empty       bool   `json:"empty"`
	Damaged     bool   `json:"damaged,omitempty"` // so that none of its rows can be read; its List has the Gap
	Note        string `json:"note,omitempty"`    // why it has no List
}

// Open opens an Excel file and looks at all of it: the guard is done before a record is read.
func Open(ctx context.Context, src *importers.Source, opts Options) (*Book, error) {
	b := &Book{source: src, options: opts}
	if err := b.open(ctx); err != nil {
		return nil, errors.Join(b.describe(err), b.Close())
	}
	return b, nil
}

// describe adds to an error what was tried, where, and what to do.
func (b *Book) describe(err error) error {
	var told *evidence.Error
	if errors.As(err, &told) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var file *os.PathError
	if !errors.As(err, &file) { // it could be read, and is not what it should be
		err = evidence.OfKind(importers.ErrUnreadable, err)
	}
	return &evidence.Error{Op: "xlsx: open", Place: b.source.Place(), Err: err}
}

func (b *Book) open(ctx context.Context) error {
	file, err := openFile(b.source, b.options.Trail)
	if err != nil {
		return err
	}
	b.file = file
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := b.refuse(file); err != nil {
		return err
	}
	if b.parts, err = openContainer(file, info.Size()); err != nil {
		return err
	}
	if err := b.refuseParts(); err != nil {
		return err
	}
	if b.workbook, err = readWorkbook(b.parts); err != nil {
		return err
	}
	b.styles = readStyles(b.parts, b.workbook.stylesPart)
	if b.strings, err = readSharedStrings(b.parts, b.workbook.stringsPart); err != nil {
		return err
	}
	if b.options.Values == Shown {
		if b.shown, err = newShower(b.workbook.from1904); err != nil {
			return err
		}
	}
	return b.surveySheets(ctx)
}

// Close closes the file and removes what was kept beside it.
func (b *Book) Close() error {
	var errs []error
	if b.file != nil {
		if b.source.Compression == "" {
			errs = append(errs, b.file.Close())
		} else {
			errs = append(errs, closeTemporary(b.file))
		}
		b.file = nil
	}
	if b.strings != nil {
		errs = append(errs, b.strings.close())
	}
	if b.shown != nil {
		errs = append(errs, b.shown.close())
	}
	return errors.Join(errs...)
}

// Lists are the sheets that are read and hold something, in the book's order.
func (b *Book) Lists() []*List { return slices.Clone(b.lists) }

// Sheets are all sheets of the book.
func (b *Book) Sheets() []SheetInfo { return slices.Clone(b.sheets) }

// ErrNoSheet tells that the book has no sheet of a name that was asked for.
var ErrNoSheet = errors.New("the book has no such sheet")

func (b *Book) surveySheets(ctx context.Context) error {
	if err := b.checkNames(); err != nil {
		return err
	}
	for i := range b.workbook.sheets {
		if part := b.parts.parts[b.workbook.sheets[i].part]; part != nil {
			b.total += part.inflated
		}
	}
	for i := range b.workbook.sheets {
		if err := b.surveyOne(ctx, &b.workbook.sheets[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) checkNames() error {
	var names []string
	for _, sheet := range b.workbook.sheets {
		names = append(names, fmt.Sprintf("%q", sheet.name))
	}
	for _, name := range b.options.Sheets {
		if !slices.ContainsFunc(b.workbook.sheets, func(s sheetPart) bool { return strings.EqualFold(s.name, name) }) {
			return &evidence.Error{
				Op: "xlsx: find sheet", Place: fmt.Sprintf("%q of %s", name, b.source.Place()), Err: ErrNoSheet,
				Hint: "its sheets are " + strings.Join(names, ", "),
			}
		}
	}
	return nil
}

// chosen reports whether the sheet is to be read.
func (b *Book) chosen(sheet *sheetPart) bool {
	if len(b.options.Sheets) == 0 {
		return !sheet.hidden
	}
	return slices.ContainsFunc(b.options.Sheets, func(name string) bool { return strings.EqualFold(name, sheet.name) })
}

func (b *Book) surveyOne(ctx context.Context, sheet *sheetPart) error {
	info := SheetInfo{Name: sheet.name, Hidden: sheet.hidden}
	if sheet.part == "" {
		info.Note, info.Empty = "it is no sheet of cells", true
		b.sheets = append(b.sheets, info)
		return nil
	}
	v, err := b.surveySheet(ctx, sheet, int64(b.options.Header))
	if err != nil {
		return err
	}
	info.Rows, info.Dimension, info.MergedCells = v.rows, v.dimension, len(v.tail.merged)+v.tail.more
	info.HiddenRows, info.Empty = v.hiddenRows, v.rows == 0
	switch {
	case !b.chosen(sheet):
		if info.Note = "it was not asked for"; len(b.options.Sheets) == 0 {
			info.Note = "it is hidden, and is read only when it is named"
		}
	case v.noRows != "":
		info.Note, info.Damaged = v.noRows, true
		b.lists = append(b.lists, b.newList(sheet, v, nil))
	case v.rows == 0 && len(v.gaps) == 0:
		info.Note = "it is empty"
	default:
		header, err := b.header(sheet, v)
		if err != nil {
			return err
		}
		b.lists = append(b.lists, b.newList(sheet, v, header))
	}
	info.Read = info.Note == ""
	b.sheets = append(b.sheets, info)
	return nil
}

func (b *Book) newValues() *values {
	return &values{strings: b.strings, styles: b.styles, from1904: b.workbook.from1904, shown: b.shown}
}

// gaps lists what concerns all sheets.
func (b *Book) gaps() []evidence.Gap {
	var gaps []evidence.Gap
	if b.parts.cut != "" {
		gaps = append(gaps, evidence.Gap{
			Where: b.source.Name, What: "the list of the archive's parts", Why: b.parts.cut,
			Consequence: fmt.Sprintf("%d parts were found by looking for them; what is behind a cut is missing", len(b.parts.parts)),
		})
	}
	if b.workbook.guessed != "" {
		gaps = append(gaps, evidence.Gap{
			Where: b.source.Name, What: "the workbook's own part", Why: b.workbook.guessed,
			Consequence: "sheets are called by their parts; hidden ones and dates from 1904 are not known",
		})
	}
	for _, name := range b.parts.twice {
		gaps = append(gaps, evidence.Gap{
			Where: b.source.Name, What: "part " + name, Why: "the archive has two of that name", Consequence: "the first was read",
		})
	}
	return gaps
}

// counted counts what is read of the sheets.
func (b *Book) counted(r io.Reader) io.Reader {
	if b.options.Progress == nil {
		return r
	}
	return &countingReader{r: r, book: b}
}

type countingReader struct {
	r    io.Reader
	book *Book
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.book.looked += int64(n)
	c.book.options.Progress(c.book.looked, max(c.book.total, c.book.looked))
	return n, err
}

func isChecksum(err error) bool { return errors.Is(err, zip.ErrChecksum) }
