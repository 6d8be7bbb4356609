// Package catalog knows the shapes of tables: from the catalogs in a data
// directory, or from a snapshot file that was made of them.
//
//   - Snapshot: one cluster at one moment: version, system identifier, databases.
//   - Database, Relation, Attribute, Type: rows of pg_database, pg_class,
//     pg_attribute and pg_type, reduced to what decoding needs.
//   - mapped relation: a catalog whose file number is in pg_filenode.map and not
//     in pg_class (utils/relmapper.h).
//   - overlay: catalog pages as the WAL leaves them, where the files are behind.
//   - gone: a row that a committed transaction deleted. Its last version tells what a
//     dropped relation looked like; it may still lie on a page, or come out of the WAL.
package catalog

import (
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Snapshot is the shape of one cluster. It is what `catalog dump` writes as
// JSON; fields are only ever added.
type Snapshot struct {
	Format           int           `json:"format"` // SnapshotFormat
	Version          pg.Version    `json:"postgresql_version"`
	SystemIdentifier uint64        `json:"system_identifier,string"`
	TakenFrom        string        `json:"taken_from"` // the data directory
	Databases        []Database    `json:"databases"`
	Control          *ControlState `json:"control,omitempty"`
}

// SnapshotFormat is the number of the file format that this version writes.
const SnapshotFormat = 1

// ControlState is what pg_control says of the WAL position (catalog/pg_control.h).
type ControlState struct {
	State         string        `json:"state"` // such as "shut down", "in production"
	CleanShutdown bool          `json:"clean_shutdown"`
	Checkpoint    pg.LSN        `json:"checkpoint"`
	Redo          pg.LSN        `json:"redo"`
	Timeline      pg.TimelineID `json:"timeline"`
	NextXID       pg.FullXID    `json:"next_xid"`
	Checksums     bool          `json:"data_checksums"`
	SegmentSize   uint32        `json:"wal_segment_size"`
	FullPageWrite bool          `json:"full_page_writes"`
	WALLevel      string        `json:"wal_level,omitempty"` // minimal, replica or logical
}

// Database is one database with the relations and types in it.
type Database struct {
	OID        pg.OID     `json:"oid"`
	Name       string     `json:"name"`
	Tablespace pg.OID     `json:"tablespace"` // dattablespace: what 0 in Relation means
	Encoding   string     `json:"encoding"`   // such as UTF8
	Relations  []Relation `json:"relations"`
	Types      []Type     `json:"types"`
	Sequences  []Sequence `json:"sequences,omitempty"`
	// ForeignKeys are those between the relations; of a snapshot that an older pgrescue made none is known.
	ForeignKeys []ForeignKey `json:"foreign_keys,omitempty"`
	// Names are read only when a column holds references to such objects.
	Names *Names `json:"names,omitempty"`
	// Version is that of the snapshot which the database is in.
	Version pg.Version `json:"-"`
}

// Relation is a row of pg_class that has rows of its own, or is a parent of such.
type Relation struct {
	OID         pg.OID            `json:"oid"`
	Schema      string            `json:"schema"`
	Name        string            `json:"name"`
	Kind        string            `json:"kind"` // relkind: r, t, m, p
	Persistence string            `json:"persistence"`
	File        pg.RelFileLocator `json:"file"` // zero for a relation without storage
	Toast       pg.OID            `json:"toast,omitempty"`
	Attributes  []Attribute       `json:"attributes"`
	PrimaryKey  []int16           `json:"primary_key,omitempty"` // attribute numbers, in index order
	// ReplicaIdentity is relreplident: d primary key, n nothing, f full, i index.
	ReplicaIdentity string `json:"replica_identity,omitempty"`
	// FormerFiles are other files that some version of the relation's row in
	// pg_class names, committed or not: older WAL speaks of the relation by them.
	FormerFiles []pg.RelFileLocator `json:"former_files,omitempty"`
	// Parents are the tables that it inherits from, in order; a partition has one.
	Parents   []pg.OID `json:"parents,omitempty"`
	Partition bool     `json:"partition,omitempty"` // relispartition
	// FileChanges tell of the FormerFiles that committed transactions gave up.
	FileChanges []FileChange `json:"file_changes,omitempty"`
	// DroppedBy is the (sub)transaction that dropped the relation; 0: it is there.
	DroppedBy pg.XID `json:"dropped_by,omitempty"`
	// ColumnsLost is how many columns of a dropped relation nobody describes any more.
	ColumnsLost int `json:"columns_lost,omitempty"`
	// Pages and Rows are what the last VACUUM or ANALYZE counted (relpages and
	// reltuples); Rows is -1 when none did.
	Pages uint32  `json:"estimated_pages,omitempty"`
	Rows  float32 `json:"estimated_rows,omitempty"`
}

// FileChange is one time that a relation got another file.
type FileChange struct {
	File pg.RelFileLocator `json:"file"` // the one that was given up
	By   pg.XID            `json:"by"`   // the (sub)transaction
	// Rewritten: a new file was filled with the rows (VACUUM FULL, CLUSTER, ALTER
	// TABLE, REFRESH MATERIALIZED VIEW). Otherwise the new file began empty, as TRUNCATE leaves it.
	Rewritten bool `json:"rewritten,omitempty"`
	// Moved: the file was copied to another tablespace, page by page.
	Moved bool `json:"moved,omitempty"`
	// Pages and Rows are those of Relation, of the time of this file.
	Pages uint32  `json:"estimated_pages,omitempty"`
	Rows  float32 `json:"estimated_rows,omitempty"`
}

// Sequence is a row of pg_class of a sequence.
type Sequence struct {
	OID         pg.OID              `json:"oid"`
	Schema      string              `json:"schema"`
	Name        string              `json:"name"`
	File        pg.RelFileLocator   `json:"file"`
	FormerFiles []pg.RelFileLocator `json:"former_files,omitempty"`
	FileChanges []FileChange        `json:"file_changes,omitempty"`
	DroppedBy   pg.XID              `json:"dropped_by,omitempty"`
}

// Attribute is a row of pg_attribute with attnum > 0, dropped ones included.
type Attribute struct {
	Number    int16  `json:"number"` // from 1
	Name      string `json:"name"`
	Type      pg.OID `json:"type"` // 0 when dropped
	TypeMod   int32  `json:"typmod"`
	Len       int16  `json:"len"`
	Align     string `json:"align"` // c, s, i, d
	Dropped   bool   `json:"dropped,omitempty"`
	NotNull   bool   `json:"not_null,omitempty"`
	Generated string `json:"generated,omitempty"` // s: stored
	Identity  string `json:"identity,omitempty"`  // a or d
	// Missing is the value of rows older than the column (attmissingval): the
	// bytes of the one-element array that pg_attribute stores, varlena header removed. nil: NULL.
	Missing []byte `json:"missing,omitempty"`
	// MissingUnknown tells that there is such a value but that it could not be
	// read: then rows older than the column hold something unknown, not NULL.
	MissingUnknown bool `json:"missing_unknown,omitempty"`
	// MadeBy is the (sub)transaction that made this version of the row: the last that
	// changed the column's shape.
	MadeBy pg.XID `json:"made_by,omitempty"`
}

// Type is a row of pg_type, reduced to what decoding needs.
type Type struct {
	OID       pg.OID      `json:"oid"`
	Schema    string      `json:"schema"`
	Name      string      `json:"name"`
	Len       int16       `json:"len"`
	Align     string      `json:"align"`
	Kind      string      `json:"kind"` // typtype: b, c, d, e, p, r, m
	Category  string      `json:"category"`
	Delimiter string      `json:"delimiter"`
	Element   pg.OID      `json:"element,omitempty"`  // typelem: of arrays and of fixed-length vectors
	Base      pg.OID      `json:"base,omitempty"`     // typbasetype of a domain
	Relation  pg.OID      `json:"relation,omitempty"` // typrelid of a composite
	Labels    []EnumLabel `json:"labels,omitempty"`
	DroppedBy pg.XID      `json:"dropped_by,omitempty"`
	Subtype   pg.OID      `json:"subtype,omitempty"` // rngsubtype of a range
	Range     pg.OID      `json:"range,omitempty"`   // of a multirange: the range that it is made of
	// Attributes are those of a composite that is not the row type of one of the
	// Relations, as far as a column needs them.
	Attributes []Attribute `json:"attributes,omitempty"`
}

// EnumLabel is a row of pg_enum.
type EnumLabel struct {
	OID   pg.OID `json:"oid"`
	Label string `json:"label"`
}

// AlignBytes turns typalign or attalign into bytes: c 1, s 2, i 4, d 8.
func AlignBytes(align string) uint8 {
	switch align {
	case "c":
		return 1
	case "s":
		return 2
	case "d":
		return 8
	}
	return 4
}
