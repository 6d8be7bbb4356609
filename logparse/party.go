package logparse

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
)

const (
	// lateLines and lateBytes bound what is kept of a container that stood in no sample, to recognise it.
	lateLines = 200
	lateBytes = 1 << 20
	// maxParties bounds the containers that are told apart.
	maxParties = 1000
)

// Unread is how many lines of a container have no format that is known.
type Unread struct {
	Container string
	Lines     int64
}

// Unread tells of which lines Entries made nothing.
func (s *Source) Unread() []Unread { return s.unread }

// frame gives each line to the framers of its container.
func (s *Source) frame(ctx context.Context, out func(*Entry) error) error {
	parties := make(map[string]*party)
	var last *party
	var of string
	for line, err := range s.Lines(ctx) {
		if err != nil {
			return err
		}
		if last == nil || line.Outer.Container != of {
			of = line.Outer.Container
			last = s.party(parties, of, out)
		}
		if err := last.frame(line); err != nil {
			return err
		}
	}
	s.unread = nil
	for _, container := range slices.Sorted(maps.Keys(parties)) {
		p := parties[container]
		if err := p.flush(); err != nil {
			return err
		}
		if p.unread > 0 {
			s.unread = append(s.unread, Unread{container, p.unread})
		}
	}
	return nil
}

// party finds the party of a container.
func (s *Source) party(parties map[string]*party, container string, out func(*Entry) error) *party {
	if p := parties[container]; p != nil {
		return p
	}
	if len(parties) >= maxParties {
		for _, p := range parties {
			return p // a log of so many names is none that anybody wrote
		}
	}
	p := &party{source: s, container: container, out: out}
	if formats, sampled := s.formats[container]; sampled {
		p.start(formats)
	} else {
		p.late = make([]Line, 0, lateLines)
	}
	parties[container] = p
	return p
}

// party is the lines of one container.
type party struct {
	source    *Source
	container string
	formats   []Candidate
	framers   []Framer
	outs      []func(*Entry) error // one for each framer
	out       func(*Entry) error
	current   int // whose entry the last line belonged to
	unread    int64

	late  []Line // copies, until the format is known; nil: it is
	bytes int    // of them
}

func (p *party) start(formats []Candidate) {
	p.formats, p.late = formats, nil
	for _, format := range formats {
		p.framers = append(p.framers, format.Framer())
		p.outs = append(p.outs, func(e *Entry) error {
			e.Format = format.Format
			return p.out(e)
		})
	}
}

func (p *party) frame(line *Line) error {
	if p.late != nil {
		c := *line
		c.Text = bytes.Clone(line.Text)
		p.late = append(p.late, c)
		if p.bytes += len(c.Text); len(p.late) < lateLines && p.bytes < lateBytes {
			return nil
		}
		return p.recognise()
	}
	switch len(p.framers) {
	case 0:
		p.unread++
		return nil
	case 1:
		return p.framers[0].Frame(line, p.outs[0])
	}
	p.takes(line)
	return p.framers[p.current].Frame(line, p.outs[p.current])
}

// takes finds the format that a line belongs to, and reports whether it surely does: an entry begins on it, or the
// one that is open goes on. Where several formats have entries that begin so, the last one's are more likely.
func (p *party) takes(line *Line) bool {
	if holder, ok := p.framers[p.current].(Holder); ok && holder.Holds(line) || p.formats[p.current].Begins(line.Text) {
		return true
	}
	which := beginner(p.formats, line.Text)
	if which >= 0 {
		p.current = which
	}
	return which >= 0
}

// recognise finds the format of a container that stood in no sample, and gives it the lines so far.
func (p *party) recognise() error {
	lines, chosen := p.late, choose(p.late, p.source.detectors)
	p.source.formats[p.container] = chosen
	var shown []string
	if p.source.Format != "" {
		shown = strings.Split(p.source.Format, "; ")
	}
	p.source.Format = strings.Join(appendFormats(shown, chosen), "; ")
	p.start(chosen)
	for i := range lines {
		if err := p.frame(&lines[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *party) flush() error {
	if p.late != nil {
		if err := p.recognise(); err != nil {
			return err
		}
	}
	for i, framer := range p.framers {
		if err := framer.Flush(p.outs[i]); err != nil {
			return err
		}
	}
	return nil
}
