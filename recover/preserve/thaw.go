package preserve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
)

// ErrOtherServer tells that the server is not the one that was frozen, or that the evidence is of.
var ErrOtherServer = errors.New("it is another cluster")

// Thawed is what a thaw did.
type Thawed struct {
	Thawed  []Frozen  `json:"thawed"`
	Notes   []string  `json:"notes,omitempty"` // what was left as it is, and why
	Missing []Missing `json:"missing"`
}

// Thaw puts back what was set before the freezes that a memory knows.
func Thaw(ctx context.Context, server *Server, memory *Memory) (*Thawed, error) {
	t := &thawing{freezer: freezer{work: &work{Options: Options{Server: server}}, memory: memory}, result: &Thawed{}}
	frozen := memory.Frozen()
	slices.Reverse(frozen)
	for i := range frozen {
		if frozen[i].System != server.Card.SystemIdentifier {
			return nil, &evidence.Error{
				Op: "preserve: thaw", Place: server.Card.Place(),
				Err:  fmt.Errorf("%w: frozen was the cluster with system identifier %d, this one has %d", ErrOtherServer, frozen[i].System, server.Card.SystemIdentifier),
				Hint: "connect to the server that was frozen",
			}
		}
	}
	var err error
	if t.conn, err = t.session(ctx, ""); err != nil {
		return nil, err
	}
	defer t.conn.Close()
	for i := range frozen {
		if err := t.one(ctx, frozen[i]); err != nil {
			return t.result, err
		}
	}
	t.result.Missing = t.missing
	return t.result, nil
}

type thawing struct {
	freezer
	result *Thawed
}

func (t *thawing) note(format string, args ...any) {
	t.result.Notes = append(t.result.Notes, fmt.Sprintf(format, args...))
}

// one thaws one thing. What cannot be thawed stays in the memory.
func (t *thawing) one(ctx context.Context, f Frozen) error {
	var err error
	switch f.Kind {
	case KindSlot:
		err = t.dropSlot(ctx, &f)
	case KindSetting:
		err = t.setting(ctx, &f)
	default:
		err = t.table(ctx, &f)
	}
	if err != nil {
		if lost(ctx, err) {
			return err
		}
		t.lacks("thaw of "+f.Label(), live.Message(err))
		return nil
	}
	t.result.Thawed = append(t.result.Thawed, f)
	return t.memory.write(eventThawed, f)
}

func (t *thawing) dropSlot(ctx context.Context, f *Frozen) error {
	return t.conn.Query(ctx, "drop a slot at", "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1",
		live.Parameters(f.Name), func([][]byte) error { return nil })
}

func (t *thawing) setting(ctx context.Context, f *Frozen) error {
	now, err := fileSetting(ctx, t.conn, f.Name)
	if err != nil || slices.Equal(now, f.Before) {
		return err
	}
	if !slices.Equal(now, []string{f.Set}) {
		t.note("%s is %s now, and the freeze had set %s: it was left so", f.Name, orNothing(now), f.Set)
		return nil
	}
	return changeSetting(ctx, t.conn, f.Name, f.Before)
}

func orNothing(value []string) string {
	if value == nil {
		return "not set"
	}
	return value[0]
}

// optionsNowSQL finds the options of a table by its OID, and the table to name for them: that of a TOAST table is its owner.
const optionsNowSQL = `SELECT pg_catalog.to_json(c.reloptions), pg_catalog.format('%I.%I', n.nspname, o.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_class o ON o.oid = c.oid AND c.relkind <> 't' OR o.reltoastrelid = c.oid
JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace WHERE c.oid = $1::oid`

// noSuchDatabase is the SQLSTATE of a connection to a database that is not there (errcodes.txt).
const noSuchDatabase = "3D000"

func (t *thawing) table(ctx context.Context, f *Frozen) error {
	conn := t.conn
	if f.Database != conn.Database() {
		var err error
		conn, err = t.session(ctx, f.Database)
		if live.Code(err) == noSuchDatabase {
			t.note("database %s is not there any more, and so is %s", f.Database, f.Label())
			return nil
		}
		if err != nil {
			return err
		}
		defer conn.Close()
	}
	var now []string
	name := ""
	err := conn.Query(ctx, "look for "+f.Name+" at", optionsNowSQL, live.Parameters(fmt.Sprint(uint32(f.OID))), func(row [][]byte) (err error) {
		name = string(row[1])
		now, err = optionsOf(row[0])
		return err
	})
	if err != nil {
		return err
	}
	if name == "" {
		t.note("%s is not there any more", f.Label())
		return nil
	}
	prefix := ""
	if f.Kind == KindToast {
		prefix = "toast."
	}
	sql, changed := thawSQL(prefix, f.Before, now)
	switch {
	case changed:
		t.note("%s: somebody else changed %s since, so it was left as it is: %s", f.Label(), autovacuumOption, strings.Join(now, ", "))
		return nil
	case sql == "":
		return nil
	}
	return conn.Exec(ctx, "thaw "+f.Label()+" at", "ALTER TABLE "+name+" "+sql)
}
