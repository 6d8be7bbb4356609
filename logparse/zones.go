package logparse

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a container may have no zones of its own

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Zones are the zones that were stated for sources.
type Zones []statedZone

// statedZone is one of them.
type statedZone struct {
	source string // path, last part of a path, with * and ?; "": all that have no other
	zone   *time.Location
}

// ParseZones reads zones as they are stated: SOURCE=ZONE for one source, ZONE for all others. A source is
// its path, its name, or a pattern of these with * and ?; a zone is a name such as Europe/Berlin, or UTC.
func ParseZones(stated []string) (Zones, error) {
	var zones Zones
	for _, text := range stated {
		source, name, found := strings.Cut(text, "=")
		if !found {
			source, name = "", text
		}
		zone, err := time.LoadLocation(name)
		if err != nil || name == "" || name == "Local" {
			return nil, &evidence.Error{
				Op: "logparse: read zone", Place: text, Err: errors.New("no zone has this name"),
				Hint: "name an area and a city, as Europe/Berlin, or UTC; FILE=Europe/Berlin is for one file",
			}
		}
		if _, err := filepath.Match(source, ""); err != nil {
			return nil, &evidence.Error{Op: "logparse: read zone", Place: text, Err: err}
		}
		zones = append(zones, statedZone{source, zone})
	}
	return zones, nil
}

// of finds the zone of a source; nil: none was stated.
func (z Zones) of(source *Source) *time.Location {
	var all *time.Location
	for _, stated := range z {
		if stated.source == "" {
			all = stated.zone
			continue
		}
		if stated.means(source) {
			return stated.zone
		}
	}
	return all
}

// means reports whether the zone was stated for the source by its name.
func (z statedZone) means(source *Source) bool {
	for _, path := range append([]string{source.Name}, source.Paths...) {
		whole, _ := filepath.Match(z.source, path) // ParseZones has tried the pattern
		last, _ := filepath.Match(z.source, filepath.Base(path))
		if whole || last {
			return true
		}
	}
	return false
}

// Idle are the names among the zones that are those of no source.
func (z Zones) Idle(sources []*Source) (names []string) {
	for _, stated := range z {
		if stated.source != "" && !slices.ContainsFunc(sources, stated.means) {
			names = append(names, stated.source)
		}
	}
	return names
}
