package csvfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Ragged says what becomes of rows that have fewer fields than the header.
type Ragged uint8

// The ways with them.
const (
	Reject Ragged = iota // they are given to Rejects
	Pad                  // what they lack is Missing
)

// What Options can say beside a character or a number.
const (
	None   = -1 // of Quote, Escape and Header: there is none
	anyone = 0  // not asked for: found by looking
)

// Options say how a file is read. What is zero is found by looking at its beginning.
type Options struct {
	Delimiter rune
	Quote     rune // None: quotes are characters like any other
	Escape    rune // before a quote within quotes; the quote itself where it is doubled
	Header    int  // line of the header, from 1; None: there is none
	Skip      int  // lines at the beginning that are not looked at
	Encoding  string
	AsApp     bool // read as the application's browser read it; nothing above but Encoding matters then
	Ragged    Ragged
	Trail     *evidence.Trail
}

// maxRecord is the length of the longest record: behind it something else is wrong.
const maxRecord = 64 << 20

// maxGaps is how many gaps are kept; those behind them are counted.
const maxGaps = 100

// List is the records of a CSV file.
type List struct {
	head     importers.Head
	dialect  dialect
	opts     Options
	encoding importers.Encoding
	origins  []int // as app: for each name of the header, which value of a line it has
	width    int   // as app: how many values the header has
	limit    int   // maxRecord, but in tests

	gaps    []evidence.Gap
	unnamed int // gaps beyond maxGaps
}

// dialect is how the fields of a strict file are told apart.
type dialect struct {
	delimiter byte
	quote     byte // 0: none
	escape    byte // the quote: it is doubled
	newline   byte
}

// Open looks at the beginning of a source and says how it is read.
func Open(ctx context.Context, src *importers.Source, opts Options) (*List, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := &List{opts: opts, limit: maxRecord}
	l.head.Source = src
	err := opts.check()
	if err == nil {
		err = l.sniff(ctx)
	}
	if err != nil {
		var already *evidence.Error
		if errors.As(err, &already) || ctx.Err() != nil {
			return nil, err
		}
		return nil, &evidence.Error{Op: "csvfile: open", Place: src.Place(), Err: err}
	}
	return l, nil
}

func (o *Options) check() error {
	for _, c := range []struct {
		name string
		rune rune
	}{{"delimiter", o.Delimiter}, {"quote", o.Quote}, {"escape", o.Escape}} {
		if c.rune > 0x7F || c.rune == '\n' || c.rune == '\r' || c.rune < None || c.rune == None && c.name == "delimiter" {
			return fmt.Errorf("the %s %q cannot be used: it must be one character of ASCII, and no line's end", c.name, c.rune)
		}
	}
	if o.Delimiter != anyone && (o.Delimiter == o.Quote || o.Delimiter == o.Escape) {
		return fmt.Errorf("%q cannot be both delimiter and quote", o.Delimiter)
	}
	if asked := (Options{AsApp: true, Encoding: o.Encoding, Trail: o.Trail}); o.AsApp && *o != asked {
		return errors.New("the application knew no delimiter but the comma, no quote and no preamble: what is read as it did takes no options but the encoding")
	}
	if o.Header < None || o.Skip < 0 {
		return errors.New("a line before the first one was asked for")
	}
	return nil
}

// Head implements importers.List.
func (l *List) Head() *importers.Head { return &l.head }

// Gaps says what the last read could not make records of, beyond those that it rejected.
func (l *List) Gaps() []evidence.Gap {
	if l.unnamed == 0 {
		return l.gaps
	}
	return append(l.gaps[:len(l.gaps):len(l.gaps)], evidence.Gap{
		Where: l.head.Source.Place(), What: fmt.Sprintf("%d more stretches like these", l.unnamed), Why: "only the first ones are listed",
	})
}

func (l *List) gap(line int64, what, why, consequence string) {
	if len(l.gaps) == maxGaps {
		l.unnamed++
		return
	}
	l.gaps = append(l.gaps, evidence.Gap{
		Where: fmt.Sprintf("%s: line %d", l.head.Source.Place(), line), What: what, Why: why, Consequence: consequence,
	})
}

// Records implements importers.List.
func (l *List) Records(ctx context.Context, rejects importers.Rejects) iter.Seq2[*importers.Record, error] {
	return func(yield func(*importers.Record, error) bool) {
		l.gaps, l.unnamed = nil, 0
		text, err := l.open()
		if err != nil {
			yield(nil, err)
			return
		}
		defer text.Close()
		r := reading{List: l, ctx: ctx, rejects: rejects, s: newScanner(text, l.dialect, l.encoding, l.limit), yield: yield}
		r.s.offset = text.mark
		r.record.Fields = make([]importers.Field, len(l.head.Header))
		if l.opts.AsApp {
			err = r.app()
		} else {
			err = r.strict()
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// errStopped tells that the caller wants no more.
var errStopped = errors.New("no more is wanted")

// text is the text of a source in UTF-8.
type text struct {
	io.Reader
	io.Closer
	mark int64 // bytes of the byte order mark before it
}

// open gives the text of the source. As the application read it, its byte order mark is a part of it.
func (l *List) open() (*text, error) {
	content, err := l.head.Source.Open(l.opts.Trail)
	if err != nil {
		return nil, err
	}
	if l.opts.AsApp && l.encoding == importers.UTF8 {
		return &text{content, content, 0}, nil
	}
	decoded, mark, err := importers.DecodeText(content, l.encoding)
	if err != nil {
		content.Close()
		return nil, err
	}
	return &text{decoded, content, mark}, nil
}
