package logparse

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"time"
)

// Clocks measures how the clocks of sources differ, by events that stand in several of them, and by
// the times that a transport put beside those of a program.
type Clocks struct {
	seed   maphash.Seed
	events map[uint64][]sighting
	outer  map[*Source]*differences
	order  []*Source // as they were first seen
}

// sighting is where an event stands.
type sighting struct {
	source *Source
	time   time.Time
	again  bool // it stands there more than once, so that it tells nothing
}

const (
	maxEvents      = 1 << 17
	maxSightings   = 8 // of one event
	maxDifferences = 4096
)

// NewClocks returns Clocks that have seen nothing.
func NewClocks() *Clocks {
	return &Clocks{seed: maphash.MakeSeed(), events: make(map[uint64][]sighting), outer: make(map[*Source]*differences)}
}

// Event notes that an event stands in a source: key is what tells it from others, such as an id or the
// text of a statement with its values. Of an event that stands in a source several times nothing is used.
func (c *Clocks) Event(source *Source, key []byte, stamp Stamp) {
	if stamp.Time.IsZero() {
		return
	}
	c.see(source)
	hash := maphash.Bytes(c.seed, key)
	seen := c.events[hash]
	if i := slices.IndexFunc(seen, func(s sighting) bool { return s.source == source }); i >= 0 {
		seen[i].again = true
		return
	}
	if len(seen) == 0 && len(c.events) >= maxEvents || len(seen) >= maxSightings {
		return
	}
	c.events[hash] = append(seen, sighting{source: source, time: stamp.Time})
}

// Carried notes the time that a transport put beside a program's own.
func (c *Clocks) Carried(source *Source, outer, inner Stamp) {
	if outer.Time.IsZero() || inner.Time.IsZero() {
		return
	}
	c.see(source)
	if c.outer[source] == nil {
		c.outer[source] = &differences{}
	}
	c.outer[source].add(outer.Time.Sub(inner.Time))
}

func (c *Clocks) see(source *Source) {
	if !slices.Contains(c.order, source) {
		c.order = append(c.order, source)
	}
}

// differences are some of many, evenly.
type differences struct {
	kept  []time.Duration
	every int // which of them is kept; 0: each
	n     int
}

func (d *differences) add(difference time.Duration) {
	if d.n++; d.n%max(d.every, 1) != 0 {
		return
	}
	if len(d.kept) == maxDifferences {
		for i := range maxDifferences / 2 {
			d.kept[i] = d.kept[2*i+1]
		}
		d.kept = d.kept[:maxDifferences/2]
		d.every = 2 * max(d.every, 1)
	}
	d.kept = append(d.kept, difference)
}

// Offset is how two clocks differ.
type Offset struct {
	Source *Source
	// Other is the source whose clock it is compared with; nil: the transport's clock of the same source.
	Other *Source
	// Ahead is the median of how much later the Source's clock is.
	Ahead  time.Duration
	Spread time.Duration // the median of how far single events are from that
	Events int
}

// Zone is the part of the offset that is a difference of zones, as far as that can be told: a multiple of
// a quarter of an hour. The rest is what one clock is wrong by, and the time between two lines.
func (o Offset) Zone() time.Duration {
	zone := o.Ahead.Round(15 * time.Minute)
	if (o.Ahead-zone).Abs() > 2*time.Minute || zone.Abs() > 15*time.Hour {
		return 0
	}
	return zone
}

// String tells it to people.
func (o Offset) String() string {
	than := "its transport's clock"
	if o.Other != nil {
		than = o.Other.Name
	}
	how := "ahead of"
	if o.Ahead < 0 {
		how = "behind"
	}
	text := fmt.Sprintf("the clock of %s is %v %s %s (median of %s, spread %v)", o.Source.Name, round(o.Ahead.Abs()), how, than, plural(o.Events, "event", "events"), round(o.Spread))
	if zone := o.Zone(); zone != 0 {
		text += fmt.Sprintf("; %v of it is likely a difference of zones", zone.Abs())
	}
	return text
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// Offsets lists what was measured: of each source against its transport, and of each pair with shared events.
func (c *Clocks) Offsets() []Offset {
	var offsets []Offset
	for _, source := range c.order {
		if d := c.outer[source]; d != nil {
			o := measure(d.kept)
			o.Source, o.Ahead, o.Events = source, -o.Ahead, d.n
			offsets = append(offsets, o)
		}
	}
	pairs := make(map[[2]int]*differences)
	for _, seen := range c.events {
		c.pair(pairs, seen)
	}
	for i, source := range c.order {
		for j, other := range c.order {
			if d := pairs[[2]int{i, j}]; d != nil {
				o := measure(d.kept)
				o.Source, o.Other, o.Events = source, other, d.n
				offsets = append(offsets, o)
			}
		}
	}
	return offsets
}

// pair adds the differences of one event.
func (c *Clocks) pair(pairs map[[2]int]*differences, seen []sighting) {
	for _, a := range seen {
		for _, b := range seen {
			i, j := slices.Index(c.order, a.source), slices.Index(c.order, b.source)
			if i <= j || a.again || b.again {
				continue
			}
			key := [2]int{i, j}
			if pairs[key] == nil {
				pairs[key] = &differences{}
			}
			pairs[key].add(a.time.Sub(b.time))
		}
	}
}

// measure finds median and spread.
func measure(all []time.Duration) Offset {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, cmp.Compare[time.Duration])
	median := sorted[len(sorted)/2]
	for i := range sorted {
		sorted[i] = (sorted[i] - median).Abs()
	}
	slices.Sort(sorted)
	return Offset{Ahead: median, Spread: sorted[len(sorted)/2]}
}
