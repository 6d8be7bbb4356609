package applog

import (
	"github.com/pgrescue/pgrescue/logparse"
)

// Trial counts which messages of a log the patterns of a pack take.
type Trial struct {
	Entries   int64
	Matched   int64
	Patterns  []Tried // in the order of the pack
	Templates *Templates
	pack      *Pack
	match     Match
	places    map[*Pattern]int
}

// Tried is what a pattern took.
type Tried struct {
	Pattern *Pattern
	Count   int64
	First   logparse.Place
	Example map[string]string // the fields of the first one
}

// NewTrial begins to try a pack. What no pattern takes goes into the Templates.
func NewTrial(pack *Pack) *Trial {
	t := &Trial{pack: pack, Templates: NewTemplates(), places: make(map[*Pattern]int)}
	for i := range pack.Patterns {
		t.Patterns = append(t.Patterns, Tried{Pattern: &pack.Patterns[i]})
		t.places[&pack.Patterns[i]] = i
	}
	return t
}

// Add takes the next entry, and tells which pattern took it; nil: none did.
func (t *Trial) Add(entry *logparse.Entry) *Pattern {
	t.Entries++
	if !t.pack.Match(entry, &t.match) {
		t.Templates.Add(entry)
		return nil
	}
	t.Matched++
	tried := &t.Patterns[t.places[t.match.Pattern]]
	if tried.Count++; tried.Count == 1 {
		tried.First, tried.Example = entry.Place, make(map[string]string)
		for _, value := range t.match.Values {
			tried.Example[value.Name] = string(value.Text)
		}
	}
	return t.match.Pattern
}

// Idle lists the patterns that took nothing.
func (t *Trial) Idle() (names []string) {
	for _, tried := range t.Patterns {
		if tried.Count == 0 {
			names = append(names, tried.Pattern.Name)
		}
	}
	return names
}
