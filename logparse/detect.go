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

const (
	sampleLines = 4000 // of each container
	// leastScore is what a format must have to be taken, and leastShare what one must have beside a better one.
	leastScore = 0.2
	leastShare = 0.02
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

// choose takes the best candidate, and those whose entries begin on lines that no better one takes.
func choose(sample []Line, detectors []Detector) []Candidate {
	var offered []Candidate
	for _, detector := range detectors {
		offered = append(offered, detector.Detect(sample)...)
	}
	slices.SortStableFunc(offered, func(a, b Candidate) int { return cmp.Compare(b.Score, a.Score) })
	if len(offered) == 0 || offered[0].Score < leastScore {
		return nil
	}
	chosen := offered[:1:1]
	if chosen[0].Begins == nil {
		return chosen
	}
	for _, candidate := range offered[1:] {
		if candidate.Begins == nil {
			continue
		}
		own := 0
		for i := range sample {
			if candidate.Begins(sample[i].Text) && beginner(chosen, sample[i].Text) < 0 {
				own++
			}
		}
		if float64(own) >= leastShare*float64(len(sample)) {
			chosen = append(chosen, candidate)
		}
	}
	return chosen
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
