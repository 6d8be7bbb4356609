package discovery

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Store says whose values are stored.
type Store string

// The ways of storing.
const (
	// AsApp is what the code of the incident's time would have stored, losses included.
	AsApp Store = "as-app"
	// AsMapped is what the field mappings say.
	AsMapped Store = "as-mapped"
)

// Until says how far the flow went.
type Until string

// The stages. Each holds what the one before it holds.
const (
	// Stored: the import's own transaction, which writes the flow, the import and its raw records.
	Stored Until = "store"
	// Mapped: the field mappings were suggested.
	Mapped Until = "map"
	// Assets: the mappings were approved, the records cleansed, and the assets made.
	Assets Until = "assets"
)

// Errors that errors.Is finds.
var (
	// ErrEmpty: there is no record to import. The application refuses such a file.
	ErrEmpty = errors.New("no record to import")
	// ErrAmbiguous: several imports may be the one of this file.
	ErrAmbiguous = errors.New("several imports may be the one of this file")
	// ErrNoTenant: the client account, the engagement or the user does not exist.
	ErrNoTenant = errors.New("no such tenant")
	// ErrWrongTenant: the engagement belongs to another client account.
	ErrWrongTenant = errors.New("the engagement belongs to another client account")
)

// Tenant is for whom a file is imported.
type Tenant struct {
	ClientAccount uuid.UUID `json:"client_account"`
	Engagement    uuid.UUID `json:"engagement"`
	// User is who imports; uuid.Nil: the request named nobody.
	User uuid.UUID `json:"user"`
}

// Options say how a list is imported.
type Options struct {
	Tenant   Tenant
	Category string // cmdb, app-discovery, infrastructure, sensitive, or any other text; "": cmdb
	Filename string // as the browser named it; "": the source's own name
	Store    Store
	Until    Until
	// Mapping gives the header to columns of assets. Nil: no header has a column.
	Mapping *mapping.Mapping
	// Schema is the target's; nil: October's, as the application's migrations made it.
	Schema *Schema
	// Known are the ids that are still known; nil: none are.
	Known Known
	// Beside tells the other imports of a run which assets this one makes; nil: it is alone.
	Beside *Beside
	// Now is what the application's clock said, where nothing else tells the time of the import.
	Now time.Time
	// State writes the copies of all rows that the application keeps in the states of its flows.
	State bool
	// Holds says whether the target's encoding has a place for all characters of a text; nil: it has.
	Holds func(ctx context.Context, text string) (bool, error)
	// Create makes what is missing of the tenant; nil: nothing.
	Create *CreateTenant
	// Rejects takes the records that are not imported. It hears of each once, while New reads.
	Rejects importers.Rejects
	// Refused takes the values that a mapping refused; the record then has no asset. Like
	// Rejects it hears of each once, while the rows of assets are read first. Nil: nobody hears.
	Refused importers.Rejects
}

// Table is one table of an import and the rows that go into it.
type Table struct {
	// Relation has the columns that are given; the others are left to the target's defaults.
	Relation *evidence.Relation
	// Keys are columns by which a row is known to be there already, beside the primary key.
	Keys [][]string
	// Clocks are, by column, regular expressions of what the application's clock said. A row that is
	// there differs in nothing else when it is the same row: no file knows these times.
	Clocks map[string]string
	// Rows yields the rows. A row is valid until the next one is asked for.
	Rows iter.Seq2[*evidence.Row, error]
}

// Import makes the rows of one import.
type Import struct {
	list importers.List
	opts Options
	ids  ImportIDs
	made maker

	content  Content
	encoder  *recordEncoder
	names    []string // of the header
	place    string   // the source, for people
	summary  Summary
	stateful bool
	values   int64             // of JSON records, about: each of them may be a number
	met      map[rune]struct{} // characters beyond ASCII, where Holds is to be asked
	nameless bool              // the flow's state does not list the header
	// cleansing is what the cleansing adds to a record, as the end of an object.
	cleansing string

	// of AsApp: what the profile says the application filled beside what it always did
	extra        []extraField
	extraMapping *mapping.Mapping

	assetsHeard bool // the rows of assets were read once: Refused has heard of all
}

// Content is what tells one import of a file name from another.
type Content struct {
	Filename string
	Records  int64 // that are kept
	Size     int64 // characters of the rows' JSON: data_imports.file_size
	Columns  []string
	// Made is the id that the import gets when nothing is known of it: pgrescue may have made it before.
	Made uuid.UUID
}

// New reads the list once, to count its records, and makes an Import of it.
func New(ctx context.Context, list importers.List, opts Options) (*Import, error) {
	opts.complete(list)
	if list.Head().Source.SHA256 == [32]byte{} {
		return nil, &evidence.Error{
			Op: "discovery: import", Place: list.Head().Place(),
			Err: errors.New("the hash of its content is not known, and ids are made of it"),
		}
	}
	im := &Import{list: list, opts: opts, names: list.Head().Header, met: map[rune]struct{}{}}
	im.place = list.Head().Place()
	im.encoder = newRecordEncoder(list.Head(), opts.Store)
	if err := im.scan(ctx); err != nil {
		return nil, err
	}
	if err := im.identify(); err != nil {
		return nil, err
	}
	im.decideState()
	if err := im.decideCharacters(ctx); err != nil {
		return nil, err
	}
	return im, im.findExtra()
}

// complete fills in what was left out.
func (o *Options) complete(list importers.List) {
	if o.Category == "" {
		o.Category = "cmdb"
	}
	if o.Filename == "" {
		o.Filename = list.Head().Source.Name
	}
	if o.Store == "" {
		o.Store = AsMapped
	}
	if o.Until == "" {
		o.Until = Assets
	}
	if o.Schema == nil {
		o.Schema = October()
	}
	if o.Known == nil {
		o.Known = Prefer()
	}
	if o.Rejects == nil {
		o.Rejects = func(*importers.Reject) error { return nil }
	}
}

// reaches reports whether the import goes as far as a stage.
func (im *Import) reaches(stage Until) bool {
	order := map[Until]int{Stored: 0, Mapped: 1, Assets: 2}
	return order[im.opts.Until] >= order[stage]
}

// Tables are the tables of the import in the order in which foreign keys let them be written.
func (im *Import) Tables(ctx context.Context) []Table {
	var tables []Table
	add := func(more ...Table) {
		for _, t := range more {
			if t.Relation != nil {
				t.Clocks = clocks(t.Relation.Name)
				tables = append(tables, t)
			}
		}
	}
	add(im.tenantTables()...)
	add(im.masterFlow(ctx), im.dataImport(), im.rawRecords(ctx))
	if im.reaches(Mapped) {
		add(im.fieldMappings())
	}
	add(im.discoveryFlow(ctx))
	if im.reaches(Assets) {
		add(im.assets(ctx), im.dependencies(ctx))
	}
	return tables
}
