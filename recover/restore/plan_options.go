package restore

import (
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Resolution is what a person chooses for rows whose key the target has with other values.
type Resolution string

// The resolutions.
const (
	// Ask leaves the conflict undecided.
	Ask Resolution = ""
	// TakeTarget keeps what the target has.
	TakeTarget Resolution = "keep"
	// TakeCase overwrites with what the case has.
	TakeCase Resolution = "overwrite"
	// FillNulls takes from the case only what is NULL in the target.
	FillNulls Resolution = "fill"
)

// Choice is a Resolution for a table or a column of it.
type Choice struct {
	Table      string     `json:"table,omitempty"`  // as String prints it; "": every table
	Column     string     `json:"column,omitempty"` // "": every column
	Resolution Resolution `json:"resolution"`
}

// Unknowns says what becomes of a value of a new row that no route knows.
type Unknowns string

// What becomes of unknown values.
const (
	// BlockUnknown does not insert the row.
	BlockUnknown Unknowns = ""
	// NullUnknown inserts NULL.
	NullUnknown Unknowns = "null"
	// DefaultUnknown inserts the column's default, as the target has it now.
	DefaultUnknown Unknowns = "default"
)

// Twice says which row of a text is meant when a key is there more than once with
// different values, and nothing tells which one is newer.
type Twice string

// What becomes of such keys.
const (
	TwiceConflict Twice = ""
	TwiceFirst    Twice = "first"
	TwiceLast     Twice = "last"
)

// Options says what a plan is to be.
type Options struct {
	// Database is the one of the case whose rows are restored; "": the target's name.
	Database string `json:"database,omitempty"`
	// Tables are those to restore, as String prints them or by name alone; none: all of the case.
	Tables []string `json:"tables,omitempty"`
	// Choices decide conflicts. The last one that fits wins.
	Choices  []Choice `json:"choices,omitempty"`
	Unknowns Unknowns `json:"unknowns,omitempty"`
	Twice    Twice    `json:"twice,omitempty"`
	// Routes are those whose rows count; none: all.
	Routes []evidence.Route `json:"routes,omitempty"`
	// AsOfTime and AsOfLSN take the version of each row that was alive then.
	AsOfTime time.Time `json:"as_of_time,omitzero"`
	AsOfLSN  string    `json:"as_of_lsn,omitempty"`
	// PagesNotNeeded lets the plan read the target's hurt tables though that destroys their dead tuples.
	PagesNotNeeded bool `json:"pages_not_needed,omitempty"`
	// OtherCluster lets the target be another cluster than the evidence's.
	OtherCluster bool `json:"other_cluster,omitempty"`
	// Triggers lets triggers fire although the role may switch them off.
	Triggers bool `json:"triggers,omitempty"`
}

// asOf is the moment of AsOfTime or AsOfLSN.
func (o *Options) asOf() (moment, error) {
	m := moment{time: o.AsOfTime}
	if o.AsOfLSN == "" {
		return m, nil
	}
	var err error
	m.lsn, err = pg.ParseLSN(o.AsOfLSN)
	return m, err
}
