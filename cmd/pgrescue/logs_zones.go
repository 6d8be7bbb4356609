package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// zoneNames are the areas and cities of the time zone database, one a line, for suggestions. Which zones there
// are, the time package knows; it has no list of them.
//
//go:embed zonenames.txt
var zoneNames string

// parseZones reads --zone.
func parseZones(stated []string) (logparse.Zones, error) {
	zones, err := logparse.ParseZones(stated)
	var wrong *evidence.Error
	if errors.As(err, &wrong) {
		name := wrong.Place[strings.IndexByte(wrong.Place, '=')+1:]
		if near := closestZones(name); len(near) > 0 {
			err = exitcode.Hinted(err, "did you mean "+strings.Join(near, " or ")+"?")
		}
	}
	return zones, exitcode.With(exitcode.Usage, err)
}

// closestZones are the zones that a wrong name resembles: those of a city of that name, or else those that few
// typing errors lie between.
func closestZones(wrong string) (near []string) {
	wrong = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(wrong)), " ", "_")
	if wrong == "" {
		return nil
	}
	best := closeEnough + 1
	for name := range strings.FieldsSeq(zoneNames) {
		lower := strings.ToLower(name)
		city := lower[strings.LastIndexByte(lower, '/')+1:]
		distance := catalog.EditDistance(lower, wrong)
		if !strings.Contains(wrong, "/") {
			distance = catalog.EditDistance(city, wrong)
		} else if city == wrong[strings.LastIndexByte(wrong, '/')+1:] {
			distance = min(distance, 1) // the right city in a wrong area
		}
		if len(city) <= 2*distance {
			continue // of a short name too little is left
		}
		if distance < best {
			best, near = distance, nil
		}
		if distance == best && best <= closeEnough && len(near) < 3 {
			near = append(near, name)
		}
	}
	return near
}

const (
	peekedEntries = 1000
	peekedBytes   = 4 << 20
)

// checkZones refuses logs whose times have no zone, all of them at once, or leaves them out. Standard input can be read once, and is
// looked at while it is read.
func (r *logReading) checkZones(ctx context.Context) error {
	var need []*logparse.Source
	var first logparse.Stamp
	for _, source := range r.sources {
		if len(source.Paths) == 0 || source.Zone != nil {
			continue
		}
		stamp, zoneless, err := peekZone(ctx, source)
		if err != nil {
			return logsError(err)
		}
		if zoneless {
			if len(need) == 0 {
				first = stamp
			}
			need = append(need, source)
		}
	}
	switch {
	case len(need) == 0:
		return nil
	case !r.goesOn:
		return needZone(need, first)
	}
	for _, source := range need {
		r.unread = append(r.unread, evidence.Gap{Where: source.Name, What: "the whole log", Why: "its times have no zone", Consequence: zoneHint([]*logparse.Source{source})})
	}
	r.sources = slices.DeleteFunc(r.sources, func(s *logparse.Source) bool { return slices.Contains(need, s) })
	return nil
}

// peekZone looks for a time without a zone at the beginning of a source.
func peekZone(ctx context.Context, source *logparse.Source) (stamp logparse.Stamp, zoneless bool, err error) {
	clocks := source.Clocks
	source.Clocks = nil
	defer func() { source.Clocks, source.Read = clocks, nil }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	enough := false
	source.Read = func(bytes int64) {
		if bytes > peekedBytes {
			enough = true
			cancel()
		}
	}
	n := 0
	for entry, err := range source.Entries(ctx) {
		if err != nil {
			if enough && errors.Is(err, context.Canceled) {
				break
			}
			return logparse.Stamp{}, false, err
		}
		if entry.Zone == logparse.NoZone && !entry.Time.IsZero() {
			return entry.Stamp, true, nil
		}
		if n++; n == peekedEntries {
			break
		}
	}
	return logparse.Stamp{}, false, nil
}

// needZone is the error of sources whose times have no zone.
func needZone(sources []*logparse.Source, stamp logparse.Stamp) error {
	what := fmt.Sprintf("times have no zone, such as %s", stamp.Time.Format("2006-01-02 15:04:05"))
	if stamp.Short != "" {
		what = fmt.Sprintf("times have a zone of which there are several, as in %s %s", stamp.Time.Format("2006-01-02 15:04:05"), stamp.Short)
	}
	return exitcode.Usagef(zoneHint(sources), "logs: in %s %s", namesOf(sources), what)
}

// zoneHint says what to type.
func zoneHint(sources []*logparse.Source) string {
	var flags []string
	for _, source := range sources {
		text := "Area/City"
		if len(source.Paths) > 0 {
			text = source.Name + "=Area/City"
		}
		flags = append(flags, "--zone "+quoteForShell(text))
	}
	all := ""
	if len(sources) > 1 {
		all = "; --zone Area/City is for all of them"
	}
	return fmt.Sprintf("add %s, with the zone of the machine that wrote it, such as Europe/Berlin, or UTC%s", strings.Join(flags, " "), all)
}
