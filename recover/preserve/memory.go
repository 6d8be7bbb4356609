package preserve

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/journal"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// MemoryName is the file of the case that remembers what was set before the freeze. Each line carries
// the hash of the one before.
const MemoryName = "preserve.jsonl"

// The kinds of what a freeze changes.
const (
	KindTable   = "table"
	KindToast   = "toast table"
	KindSetting = "setting"
	KindSlot    = "slot"
)

// The events of the memory.
const (
	eventRemember = "remember" // before it is changed
	eventFrozen   = "frozen"   // the change is done
	eventThawed   = "thawed"   // what was before is there again, or the thing is gone
)

// Frozen is one thing that a freeze changed, or is about to.
type Frozen struct {
	Kind     string `json:"kind"`
	Database string `json:"database,omitempty"` // of a table
	Name     string `json:"name"`               // of a table quoted where SQL needs it
	OID      pg.OID `json:"oid,omitempty"`
	// Before are the options of the table, or what ALTER SYSTEM had set, in the server's words;
	// nil: nothing was set.
	Before []string `json:"before"`
	Set    string   `json:"set,omitempty"` // what the freeze sets it to
	System uint64   `json:"system_identifier,string"`
}

func (f *Frozen) same(other *Frozen) bool {
	if f.Kind != other.Kind || f.Database != other.Database || f.System != other.System {
		return false
	}
	if f.OID != 0 || other.OID != 0 {
		return f.OID == other.OID
	}
	return f.Name == other.Name
}

// Label is the thing for people.
func (f *Frozen) Label() string {
	switch f.Kind {
	case KindToast:
		return "TOAST of " + f.Name
	case KindTable:
		return f.Name
	}
	return f.Kind + " " + f.Name
}

// memoryLine is one line of the file.
type memoryLine struct {
	Seq   int64  `json:"seq"`
	Event string `json:"event"`
	Time  string `json:"time"`
	*Frozen
	Previous string `json:"previous"`
}

// Memory is what is known of freezes of a case.
type Memory struct {
	path string
	end  journal.End
	// frozen are the things that are not thawed, in the order in which they were remembered.
	frozen []Frozen
}

// ReadMemory reads the memory of a case; there need not be one.
func ReadMemory(dir string) (*Memory, error) {
	m := &Memory{path: filepath.Join(dir, MemoryName)}
	previous := ""
	var err error
	m.end, err = journal.Read(m.path, func(n int64, text []byte, hash string) error {
		var line memoryLine
		if err := json.Unmarshal(text, &line); err != nil || line.Frozen == nil {
			return fmt.Errorf("line %d is none that pgrescue wrote", n)
		}
		if line.Previous != previous {
			return fmt.Errorf("line %d does not follow the line before it: somebody changed the file", n)
		}
		previous = hash
		m.take(line.Event, *line.Frozen)
		return nil
	})
	if err != nil {
		return nil, &evidence.Error{
			Op: "preserve: read what was set before the freeze", Place: m.path, Err: err,
			Hint: "the lines are JSON: `before` says what to set again by hand",
		}
	}
	return m, nil
}

func (m *Memory) take(event string, f Frozen) {
	at := slices.IndexFunc(m.frozen, func(known Frozen) bool { return known.same(&f) })
	switch {
	case event == eventThawed && at >= 0:
		m.frozen = slices.Delete(m.frozen, at, at+1)
	case event == eventRemember && at < 0:
		m.frozen = append(m.frozen, f)
	}
}

// Frozen lists what is frozen, or may be.
func (m *Memory) Frozen() []Frozen { return slices.Clone(m.frozen) }

// remember notes what was set before, unless an earlier freeze did.
func (m *Memory) remember(f Frozen) error {
	if slices.ContainsFunc(m.frozen, func(known Frozen) bool { return known.same(&f) }) {
		return nil
	}
	return m.write(eventRemember, f)
}

// memoryError is an error of the memory: without it nothing is changed.
type memoryError struct{ error }

func (e memoryError) Unwrap() error { return e.error }

func isMemory(err error) bool {
	var own memoryError
	return errors.As(err, &own)
}

// write adds a line, which is on the disk when it returns.
func (m *Memory) write(event string, f Frozen) error {
	end, err := journal.Append(m.path, m.end, func(seq int64, previous string) any {
		return memoryLine{Seq: seq, Event: event, Time: pg.FormatTime(time.Now()), Frozen: &f, Previous: previous}
	})
	if err != nil {
		return memoryError{&evidence.Error{Op: "preserve: remember what is set", Place: m.path, Err: err, Hint: "nothing is frozen that is not remembered"}}
	}
	m.end = end
	m.take(event, f)
	return nil
}
