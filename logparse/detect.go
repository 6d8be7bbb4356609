package logparse

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Framer makes entries of lines.
type Framer interface {
	// Frame takes the next line, and hands out the entries that are complete by now.
	Frame(line *Line, out func(*Entry) error) error
	// Flush hands out what the end of the log has completed.
	Flush(out func(*Entry) error) error
}

// Holder is a Framer that knows lines which surely go on with the entry that is open, even if entries of another format
// begin so: a DETAIL in a traceback, a line of a text within a record.
type Holder interface {
	Holds(line *Line) bool
}

// Detector offers formats for lines.
type Detector interface {
	// Detect looks at a sample: lines that follow each other, of one container of one source.
	Detect(sample []Line) []Candidate
}

// Candidate is a format that lines may have.
type Candidate struct {
	Format string  // as it is shown, such as "PostgreSQL stderr, log_line_prefix '%m [%p] '"
	Score  float64 // which part of the sample's lines that are not blank it takes for its own, 0 to 1
	Framer func() Framer
	// Begins tells whether an entry of the format begins with the line. Where it is known,
	// lines of several programs may be mixed in one container; nil: they may not.
	Begins func(text []byte) bool
}

// OfServer reports whether a format, as it is shown, is one of PostgreSQL's own log.
func OfServer(format string) bool { return strings.HasPrefix(format, "PostgreSQL ") }

const (
	sampleLines = 4000 // of each container
	// leastScore is what a format must have to be taken, and leastShare what one must have beside a better one.
	leastScore = 0.2
	leastShare = 0.02
	maxFormats = 6 // of one container
)

// Recognise finds the formats of the sources' lines, for Entries, by samples of their beginning, middle and
// end. What no detector offers anything for keeps an empty Format, and gives no entries: see Unread. Containers
// that stand in no sample are recognised when they come.
func Recognise(ctx context.Context, sources []*Source, detectors ...Detector) error {
	for _, source := range sources {
		samples, err := source.Sample(ctx)
		if err != nil {
			return err
		}
		source.formats, source.detectors = make(map[string][]Candidate), detectors
		var shown []string
		for _, container := range slices.Sorted(maps.Keys(samples)) {
			chosen := choose(samples[container], detectors)
			source.formats[container] = chosen
			shown = appendFormats(shown, chosen)
		}
		source.Format = strings.Join(shown, "; ")
	}
	return nil
}

// appendFormats adds the names of formats that are not there yet.
func appendFormats(shown []string, chosen []Candidate) []string {
	for _, candidate := range chosen {
		if !slices.Contains(shown, candidate.Format) {
			shown = append(shown, candidate.Format)
		}
	}
	return shown
}

// choose takes the best candidate; then the best for the lines that it does not take, if entries begin on enough of
// them; and so on. So what one program writes says nothing of how another does.
func choose(sample []Line, detectors []Detector) (chosen []Candidate) {
	for rest := sample; len(rest) > 0 && len(chosen) < maxFormats; rest = others(sample, chosen) {
		offered := offers(rest, detectors)
		best := slices.IndexFunc(offered, func(c Candidate) bool {
			if len(chosen) == 0 {
				return c.Score >= leastScore
			}
			return c.Begins != nil && float64(begun(rest, c)) >= leastShare*float64(len(sample))
		})
		if best < 0 {
			break
		}
		if chosen = append(chosen, offered[best]); offered[best].Begins == nil {
			break
		}
	}
	return chosen
}

// offers are the candidates of all detectors, those that take most lines first.
func offers(sample []Line, detectors []Detector) (offered []Candidate) {
	for _, detector := range detectors {
		offered = append(offered, detector.Detect(sample)...)
	}
	slices.SortStableFunc(offered, func(a, b Candidate) int { return cmp.Compare(b.Score, a.Score) })
	return offered
}

// begun counts the lines that entries of a format begin on.
func begun(lines []Line, candidate Candidate) (n int) {
	for i := range lines {
		if candidate.Begins(lines[i].Text) {
			n++
		}
	}
	return n
}

// others gives the lines that no entry of the formats begins on or surely goes on with.
func others(sample []Line, chosen []Candidate) (rest []Line) {
	p := party{out: func(*Entry) error { return nil }}
	p.start(chosen)
	for i := range sample {
		if !p.takes(&sample[i]) {
			rest = append(rest, sample[i])
			continue
		}
		if p.framers[p.current].Frame(&sample[i], p.outs[p.current]) != nil {
			return rest
		}
	}
	return rest
}

// beginner finds the first candidate whose entries begin so, or -1.
func beginner(candidates []Candidate, text []byte) int {
	return slices.IndexFunc(candidates, func(c Candidate) bool { return c.Begins(text) })
}

// Entries gives the source's entries by the formats that Recognise found, those of each container
// and format in the order of its lines, each with the time that When tells. An entry is valid until the next one is asked for.
func (s *Source) Entries(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		s.latest, s.setbacks = make(map[string]Stamp), nil
		stopped := false
		out := func(entry *Entry) error {
			if s.Clocks != nil {
				s.Clocks.Carried(s, entry.Outer.Stamp, entry.Stamp)
			}
			entry.Stamp = s.When(entry.Stamp, entry.Outer)
			s.setback(entry)
			if !yield(entry, nil) {
				stopped = true
				return errStopped
			}
			return nil
		}
		err := s.frame(ctx, out)
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}
