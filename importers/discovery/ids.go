package discovery

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The tables, by the names that the application gave them.
const (
	tableClients      = "client_accounts"
	tableEngagements  = "engagements"
	tableUsers        = "users"
	tableMasterFlows  = "crewai_flow_state_extensions"
	tableImports      = "data_imports"
	tableRawRecords   = "raw_import_records"
	tableMappings     = "import_field_mappings"
	tableFlows        = "discovery_flows"
	tableAssets       = "assets"
	tableDependencies = "asset_dependencies"
)

// namespace is where made ids come from. It never changes: ids that were made once must be made again.
var namespace = uuid.MustParse("5b7d1f5e-6c0a-5c63-9a43-0f6b7d3a2c19")

// demoUser is who imports when the request named nobody (fact sheet 1.2).
var demoUser = uuid.MustParse("33333333-3333-3333-3333-333333333333")

// ImportIDs are what is known of an import that happened.
type ImportIDs struct {
	Import uuid.UUID // data_imports.id; uuid.Nil: not known
	Flow   uuid.UUID // flow_id of its master flow; uuid.Nil: not known
	Time   time.Time // what the application's clock said; zero: not known
}

// Known tells ids that are still known.
type Known interface {
	// Import finds the import of a content; ok says whether it is known. An error says that
	// several may be the one.
	Import(of Content) (ids ImportIDs, ok bool, err error)
	// Row finds the id of a row. The key is the name of an asset, the flow_id of a flow, and
	// otherwise made by Key.
	Row(table, key string) (uuid.UUID, bool)
}

// Key is what a row that belongs to another one is known by: the id of that one, and a number
// or a name among its rows.
func Key(of uuid.UUID, rest string) string { return string(of[:]) + rest }

// holder is a Known that can say that it knows no row of a table at all: then no key has to be made.
type holder interface{ holds(table string) bool }

// knows reports whether it may be that a row of a table is known.
func knows(k Known, table string) bool {
	h, ok := k.(holder)
	return !ok || h.holds(table)
}

// Prefer asks one after the other. Of none it makes one that knows nothing.
func Prefer(known ...Known) Known {
	var list preferred
	for _, k := range known {
		if k != nil {
			list = append(list, k)
		}
	}
	return list
}

type preferred []Known

// Import fills in what the first does not know from those that know the same import.
func (p preferred) Import(of Content) (ImportIDs, bool, error) {
	var ids ImportIDs
	found := false
	for _, k := range p {
		more, ok, err := k.Import(of)
		switch {
		case err != nil && !found:
			return ids, false, err
		case err != nil || !ok:
			continue
		case !found:
			ids, found = more, true
			continue
		case more.Import != ids.Import && more.Import != uuid.Nil && ids.Import != uuid.Nil:
			continue
		}
		if ids.Import == uuid.Nil {
			ids.Import = more.Import
		}
		if ids.Flow == uuid.Nil {
			ids.Flow = more.Flow
		}
		if ids.Time.IsZero() {
			ids.Time = more.Time
		}
	}
	return ids, found, nil
}

func (p preferred) holds(table string) bool {
	return slices.ContainsFunc(p, func(k Known) bool { return knows(k, table) })
}

func (p preferred) Row(table, key string) (uuid.UUID, bool) {
	for _, k := range p {
		if id, ok := k.Row(table, key); ok {
			return id, true
		}
	}
	return uuid.UUID{}, false
}

// maker makes the ids that nothing knows: the same for the same tenant and content every time.
type maker struct{ seed []byte } // the namespace, and what all names begin with

func newMaker(tenant Tenant, sha256 [32]byte, part string) maker {
	seed := tenant.ClientAccount.String() + "|" + tenant.Engagement.String() + "|" + hex.EncodeToString(sha256[:]) + "|"
	if part != "" {
		seed += part + "|"
	}
	return maker{seed: append(bytes.Clone(namespace[:]), seed...)}
}

// id makes the id of a row: kind is its table, or what else it is. It is a UUID of version 5,
// which uuid.NewSHA1 would make too, with allocations.
func (m maker) id(kind, rest string) uuid.UUID {
	var room [256]byte
	return m.of(append(m.begin(room[:0], kind), rest...))
}

// numbered makes the id of a row that has a number.
func (m maker) numbered(kind string, number int64) uuid.UUID {
	var room [256]byte
	return m.of(strconv.AppendInt(m.begin(room[:0], kind), number, 10))
}

func (m maker) begin(dst []byte, kind string) []byte {
	return append(append(append(dst, m.seed...), kind...), '|')
}

func (maker) of(name []byte) uuid.UUID {
	sum := sha1.Sum(name)
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	return id
}

// MadeID is the id of the import of a list for a tenant when nothing is known of it.
func MadeID(tenant Tenant, head *importers.Head) uuid.UUID {
	return newMaker(tenant, head.Source.SHA256, head.Part).id(tableImports, "")
}

// identify finds or makes the ids of the import.
func (im *Import) identify() error {
	head := im.list.Head()
	im.made = newMaker(im.opts.Tenant, head.Source.SHA256, head.Part)
	im.content.Made = im.made.id(tableImports, "")
	ids, known, err := im.opts.Known.Import(im.content)
	if err != nil {
		return &evidence.Error{
			Op: "discovery: find the import of", Place: im.place, Err: err,
			Hint: "--import-id takes one of them; --import-id new makes another import",
		}
	}
	im.summary.Known = known
	if ids.Import == uuid.Nil {
		ids.Import = im.content.Made
	}
	if ids.Flow == uuid.Nil {
		ids.Flow = im.made.id("flow", "")
	}
	if ids.Time.IsZero() {
		ids.Time = im.opts.Now
	}
	// PostgreSQL keeps microseconds, as Python does.
	ids.Time = ids.Time.UTC().Truncate(time.Microsecond)
	im.ids, im.summary.IDs = ids, ids
	im.cleansing = pyObject("cleansing_method", "basic_fallback", "cleansed_at", pyTime(ids.Time))[1:]
	return nil
}

// rowID is the id of a row: the known one, or one that is made of the rest of its key.
func (im *Import) rowID(table, key, rest string) uuid.UUID {
	if id, ok := im.opts.Known.Row(table, key); ok {
		return id
	}
	return im.made.id(table, rest)
}

// rawID is the id of a raw record.
func (im *Import) rawID(number int64) uuid.UUID {
	if knows(im.opts.Known, tableRawRecords) {
		if id, ok := im.opts.Known.Row(tableRawRecords, Key(im.ids.Import, strconv.FormatInt(number, 10))); ok {
			return id
		}
	}
	return im.made.numbered(tableRawRecords, number)
}

// pyTime is a time as Python's utcnow().isoformat() prints it: without a zone, and without a
// fraction when there is none.
func pyTime(t time.Time) string {
	text := t.UTC().Format("2006-01-02T15:04:05")
	if us := t.Nanosecond() / 1000; us != 0 {
		text += fmt.Sprintf(".%06d", us)
	}
	return text
}

// parsePyTime reads what pyTime prints, or a time with a zone.
func parsePyTime(text string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// pgTime is a time as PostgreSQL prints a timestamptz in UTC.
func pgTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999") + "+00" }
