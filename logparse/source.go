package logparse

import (
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Source is a log: a file, rotated files that continue each other, or standard input. It is read by one goroutine.
type Source struct {
	Name     string   // for people
	Paths    []string // in the order of time; none: standard input
	Wrapper  string   // of the lines, as it is shown; "": none
	Format   string   // of the entries, as it is shown; Recognise sets it
	Encoding string   // utf-8 or utf-16
	Size     int64    // bytes on disk, all files together; -1: not known
	// Zone is the one that was stated for stamps without a zone; nil: none.
	Zone *time.Location
	// Read is called now and then with the number of bytes on disk that have been read; nil: nobody asks.
	Read func(bytes int64)

	// Clocks, where there are some, learn from Entries how the source's clock differs from its transport's.
	Clocks *Clocks

	files     []file // one for each of Paths, or standard input
	wrappers  []wrapper
	formats   map[string][]Candidate // by container
	detectors []Detector
	unread    []Unread
	stated    stated
	latest    map[string]Stamp // by container
	setbacks  []Setback
	gaps      []evidence.Gap
	notes     []string
	unheld    int // gaps beyond those that are kept
}

// Gaps are what could not be read, as far as Lines has come.
func (s *Source) Gaps() []evidence.Gap { return s.gaps }

// Notes are what a person should know of how the lines were read, as far as Lines has come.
func (s *Source) Notes() []string { return s.notes }

// maxGaps bounds how many gaps are kept; the others are counted.
const maxGaps = 1000

// gap notes what could not be read.
func (s *Source) gap(g evidence.Gap) {
	if len(s.gaps) < maxGaps {
		s.gaps = append(s.gaps, g)
		return
	}
	s.unheld++
	last := &s.gaps[maxGaps-1]
	last.Where, last.What, last.Why, last.Consequence = s.Name, plural(s.unheld+1, "further stretch", "further stretches"), "see the gaps before", ""
}

// shortName is a path's last part, with its folder's name where the last part alone says nothing.
func shortName(path string) string {
	base := filepath.Base(path)
	if folder := filepath.Base(filepath.Dir(path)); base != "" && isDigit(base[0]) && folder != "." && folder != string(filepath.Separator) {
		return filepath.Join(folder, base) // 0.log of a pod's container
	}
	return base
}
