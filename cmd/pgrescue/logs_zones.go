package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/logparse"
)

// parseZones reads --zone.
func parseZones(stated []string) (logparse.Zones, error) {
	zones, err := logparse.ParseZones(stated)
	return zones, exitcode.With(exitcode.Usage, err)
}

const (
	peekedEntries = 1000
	peekedBytes   = 4 << 20
)

// checkZones refuses logs whose times have no zone, all of them at once. Standard input can be read once, and is
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
	if len(need) == 0 {
		return nil
	}
	return needZone(need, first)
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
	names := make([]string, len(sources))
	for i, source := range sources {
		names[i] = source.Name
	}
	what := fmt.Sprintf("times have no zone, such as %s", stamp.Time.Format("2006-01-02 15:04:05"))
	if stamp.Short != "" {
		what = fmt.Sprintf("times have a zone of which there are several, as in %s %s", stamp.Time.Format("2006-01-02 15:04:05"), stamp.Short)
	}
	return exitcode.Usagef(zoneHint(sources), "logs: in %s %s", shortList(names), what)
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
