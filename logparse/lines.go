package logparse

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// errStopped ends reading when nobody wants more.
var errStopped = errors.New("stopped")

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Lines gives the lines of the source without their wrapper, in order. What cannot be read
// is a gap: see Gaps. An error ends it. Standard input can be read once.
func (s *Source) Lines(ctx context.Context) iter.Seq2[*Line, error] {
	return func(yield func(*Line, error) bool) {
		s.gaps, s.unheld, s.notes = nil, 0, nil
		r := s.newReader(ctx, func(line *Line) bool { return yield(line, nil) })
		if err := r.readAll(); err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// Sample gives copies of some lines of each container: the first ones, and some of the middle and the end, which
// are numbered from where they were taken.
func (s *Source) Sample(ctx context.Context) (map[string][]Line, error) {
	samples := make(map[string][]Line)
	most := sampleLines
	r := s.newReader(ctx, func(line *Line) bool {
		if kept := samples[line.Outer.Container]; len(kept) < most {
			c := *line
			c.Text = bytes.Clone(line.Text)
			samples[line.Outer.Container] = append(kept, c)
		}
		return true
	})
	r.sampling = true
	if err := r.readSample(); err != nil {
		return nil, err
	}
	excerpts, err := s.excerpts()
	if err != nil {
		return nil, err
	}
	for _, excerpt := range excerpts {
		most += excerptLines
		if err := r.readExcerpt(excerpt, true); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

// reader makes lines of files.
type reader struct {
	source   *Source
	ctx      context.Context //nolint:containedctx // a reader lives as long as one call of Lines
	wrappers []unwrapper
	next     []func(*Line) bool // what each of them hands its lines to
	out      func(*Line) bool
	sampling bool

	line     Line
	feed     feed
	garbage  garbage
	done     int64        // bytes on disk of the files before
	consumed func() int64 // of this one
}

// readAll reads one file after the other.
func (r *reader) readAll() error {
	for i := range r.source.files {
		if err := r.readFile(i); err != nil {
			return err
		}
		r.done += max(r.source.files[i].size, 0)
	}
	return r.flush()
}

// written is when the file that is being read was written last.
func (r *reader) written() time.Time { return r.source.files[r.line.File].modified }

// note tells what a person should know of the source.
func (r *reader) note(text string) {
	if !r.sampling {
		r.source.notes = append(r.source.notes, text)
	}
}

// readSample reads the beginning of the first file.
func (r *reader) readSample() error {
	f := &r.source.files[0]
	sample, err := f.head()
	if err != nil {
		return err
	}
	return r.readExcerpt(sample, len(sample) == sampleSize)
}

// readExcerpt reads lines of some bytes; the last line may be cut.
func (r *reader) readExcerpt(excerpt []byte, cut bool) error {
	r.line = Line{Source: r.source}
	r.feed.open(bytes.NewReader(excerpt), false)
	if err := r.readLines(cut); err != nil {
		return err
	}
	return r.flush()
}

// readFile reads one file.
func (r *reader) readFile(i int) error {
	f := &r.source.files[i]
	r.line = Line{Source: r.source, File: i}
	content, err := f.open(f.trail)
	if err != nil {
		if errors.Is(err, packed.ErrDamaged) {
			r.gap(0, evidence.Gap{What: "the whole file", Why: err.Error()})
			return nil
		}
		return &evidence.Error{Op: "logparse: open", Place: f.name(), Err: err}
	}
	defer content.Close()
	r.consumed = content.packed.Consumed
	r.feed.open(content, f.order != 0)
	return r.readLines(false)
}

// readLines hands on the lines of the feed. Of a sample the last line, which may be cut, is left out.
func (r *reader) readLines(partly bool) error {
	line := &r.line
	for n := 0; ; n++ {
		if n&4095 == 0 {
			if err := r.progress(); err != nil {
				return err
			}
		}
		text, odd, ok := r.feed.next()
		if !ok {
			break
		}
		line.Number++
		line.Offset, line.Text, line.Length = r.feed.offset, text, int64(len(text))
		if !odd && r.wrappers == nil && r.garbage.bytes == 0 {
			if !r.out(line) {
				return errStopped
			}
			continue
		}
		if odd && partly && r.feed.marks&Unended != 0 {
			break
		}
		if !r.look(odd) {
			return errStopped
		}
		line.Outer, line.Marks = Outer{}, 0
	}
	r.endGarbage()
	if err := r.feed.damage(); err != nil {
		r.gap(line.Number, evidence.Gap{What: "what follows", Why: err.Error(), Consequence: "entries behind it are not known"})
	}
	return nil
}

// progress says how far reading has come, and whether it shall go on.
func (r *reader) progress() error {
	if r.source.Read != nil && r.consumed != nil {
		r.source.Read(r.done + r.consumed())
	}
	return r.ctx.Err()
}

// look hands on the current line without garbage, colours and wrapper.
func (r *reader) look(odd bool) bool {
	line := &r.line
	if !odd && (r.garbage.bytes == 0 || surelyText(line.Text)) {
		r.endGarbage()
		return r.unwrap(0, line)
	}
	if !odd {
		r.feed.marks, r.feed.dropped = 0, 0
	}
	line.Marks |= r.feed.marks
	line.Length += r.feed.dropped
	if !noText(line.Text) && (r.garbage.bytes == 0 || surelyText(line.Text)) {
		r.endGarbage()
		return r.unwrap(0, line)
	}
	before, behind := pieces(line.Text)
	if r.garbage.bytes > 0 && !begins(before) {
		before = nil
	}
	if r.garbage.bytes > 0 && !begins(behind) {
		behind = nil
	}
	if len(before) > 0 {
		r.endGarbage()
		if !r.piece(before) {
			return false
		}
	}
	r.skip(line.Length - int64(len(before)) - int64(len(behind)))
	if len(behind) > 0 {
		r.endGarbage()
		return r.piece(behind)
	}
	return true
}

// piece hands on text that garbage stands beside.
func (r *reader) piece(text []byte) bool {
	piece := r.line
	piece.Text, piece.Length = text, int64(len(text))
	piece.Marks |= Torn
	return r.unwrap(0, &piece)
}

// unwrap gives a line to the wrapper of that depth.
func (r *reader) unwrap(depth int, line *Line) bool {
	if firstOdd(line.Text) < len(line.Text) {
		if text, changed := tidy(line.Text); changed {
			line.Text, line.Length = text, line.Length-int64(len(line.Text)-len(text))
			line.Marks |= Altered
		}
	}
	if depth < len(r.wrappers) {
		return r.wrappers[depth].unwrap(line, r.next[depth])
	}
	if !valid(line.Text) {
		line.Marks |= NotUTF8
	}
	return r.out(line)
}

// flush hands on what waits in wrappers, the outer ones first.
func (r *reader) flush() error {
	for depth, wrapper := range r.wrappers {
		if !wrapper.flush(r.next[depth]) {
			return errStopped
		}
	}
	return nil
}

// newReader prepares reading; out takes the lines.
func (s *Source) newReader(ctx context.Context, out func(*Line) bool) *reader {
	r := &reader{source: s, ctx: ctx, out: out}
	for i, wrapper := range s.wrappers {
		r.wrappers = append(r.wrappers, wrapper.open(r))
		r.next = append(r.next, func(line *Line) bool { return r.unwrap(i+1, line) })
	}
	return r
}
