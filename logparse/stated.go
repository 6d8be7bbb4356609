package logparse

import "time"

const daySeconds = 86400

// stated turns times of a clock in a stated zone into UTC. A day without a change is looked up once.
type stated struct {
	zone   *time.Location
	day    int64 // since 1970, on that clock
	offset int64 // of that day
	steady bool  // the clock was not put back or forward around that day
}

// Localize gives a stamp without a zone the one that was stated for the source. Without one, or where
// the stamp has a zone, it stays as it is.
func (s *Source) Localize(stamp Stamp) Stamp {
	if stamp.Zone != NoZone || s.Zone == nil || stamp.Time.IsZero() {
		return stamp
	}
	if s.stated.zone != s.Zone {
		s.stated = stated{zone: s.Zone, day: -1 << 62}
	}
	return s.stated.localize(stamp)
}

// When is the time of an entry as well as it is known: its own stamp with its own zone, or with the stated
// one; else the time at which a transport took it; else its stamp as it stands.
func (s *Source) When(inner Stamp, outer Outer) Stamp {
	inner = s.Localize(inner)
	if inner.Zone != NoZone {
		return inner
	}
	carried := s.Localize(outer.Stamp)
	switch {
	case carried.Time.IsZero():
		return inner
	case carried.Zone == Zoned:
		carried.Zone = Carried
		return carried
	case inner.Time.IsZero() || carried.Zone != NoZone:
		return carried
	}
	return inner
}

func (z *stated) localize(stamp Stamp) Stamp {
	clock := stamp.Time.Unix()
	day := clock / daySeconds
	if day != z.day {
		before, after := z.offsetAt((day-1)*daySeconds), z.offsetAt((day+2)*daySeconds)
		z.day, z.offset, z.steady = day, before, before == after
	}
	if z.steady && stamp.Short == "" {
		return Stamp{Time: stamp.Time.Add(-time.Duration(z.offset) * time.Second), Zone: Assumed}
	}
	return z.change(stamp, clock)
}

// change finds the time on a day on which the clock may have been put back or forward.
func (z *stated) change(stamp Stamp, clock int64) Stamp {
	before, after := z.offsetAt(clock-daySeconds), z.offsetAt(clock+daySeconds)
	first, second := z.valid(stamp, clock, before), z.valid(stamp, clock, after)
	at := func(offset int64, how Zone) Stamp {
		return Stamp{Time: stamp.Time.Add(-time.Duration(offset) * time.Second), Zone: how}
	}
	switch {
	case first && second && before != after:
		return at(max(before, after), Twice)
	case first:
		return at(before, Assumed)
	case second:
		return at(after, Assumed)
	case stamp.Short != "":
		return stamp // the log names another zone than the one that was stated
	}
	return at(before, Leapt)
}

// valid reports whether a clock of the zone showed this time with that offset, and the stamp's short name.
func (z *stated) valid(stamp Stamp, clock, offset int64) bool {
	name, there := time.Unix(clock-offset, 0).In(z.zone).Zone()
	return int64(there) == offset && (stamp.Short == "" || stamp.Short == name)
}

func (z *stated) offsetAt(unix int64) int64 {
	_, offset := time.Unix(unix, 0).In(z.zone).Zone()
	return int64(offset)
}
