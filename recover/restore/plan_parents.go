package restore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// refSet holds the values of referenced columns that rows of the plan will have, with
// the number of the row in the plan.
type refSet struct {
	names  []string // quoted
	places []int    // in the plan's columns
	set    *keySet
	// strangers holds the values of rows that were deleted and do not come back. When the
	// target has a row with them, it is another one, which came since.
	strangers *keySet
}

// linkParents gives each table of the plan the sets that foreign keys of others ask for.
func (m *planner) linkParents() {
	for _, table := range m.tables {
		for _, fk := range table.keys {
			if parent := m.byOID[fk.parent.oid]; parent != nil {
				parent.refer(fk)
			}
		}
	}
}

// refer finds or makes the set for a foreign key; nil when the plan does not have the columns.
func (t *plannedTable) refer(fk *foreignKey) *refSet {
	ref := &refSet{}
	for _, pair := range fk.pairs {
		ref.names = append(ref.names, pair.parent)
		at := slices.IndexFunc(t.plan.Columns, func(c ColumnPlan) bool { return c.Name == pair.parentName })
		if at < 0 {
			return nil
		}
		ref.places = append(ref.places, at)
	}
	for _, have := range t.refs {
		if slices.Equal(have.names, ref.names) {
			return have
		}
	}
	t.refs = append(t.refs, ref)
	return ref
}

// canonical is values as they are compared with others that mean the same: a number of
// type numeric may have zeros behind its point.
func canonical(values []evidence.Value) []evidence.Value {
	out := values
	for i := range values {
		text := values[i].Text
		if !slices.Contains(text, '.') || strings.Trim(string(text), "-0123456789.") != "" || slices.Index(text, '.') != strings.LastIndexByte(string(text), '.') {
			continue
		}
		if &out[0] == &values[0] {
			out = slices.Clone(values)
		}
		out[i].Text = []byte(strings.TrimSuffix(strings.TrimRight(string(text), "0"), "."))
	}
	return out
}

func pickValues(places []int, values []evidence.Value) []evidence.Value {
	picked := make([]evidence.Value, len(places))
	for i, at := range places {
		picked[i] = values[at]
	}
	return picked
}

// openSets makes the files behind the sets of a table.
func (t *plannedTable) openSets() (err error) {
	for _, ref := range t.refs {
		if ref.set, err = newKeySet(); err != nil {
			return err
		}
		if ref.strangers, err = newKeySet(); err != nil {
			return err
		}
	}
	t.claims = make([]*keySet, len(t.ask.uniques))
	for i, index := range t.ask.uniques {
		if index.exclusion {
			continue
		}
		if t.claims[i], err = newKeySet(); err != nil {
			return err
		}
	}
	if t.key != nil {
		t.keyClaims, err = newKeySet()
	}
	return err
}

// edge is a row whose parent is decided later: both are of the same circle.
type edge struct {
	table, key int
	exists     bool // the target has the parent, which may be a stranger
	seq        int64
	parent     digest
}

// edgeFile keeps edges in a file, so that a tree of many rows takes no memory.
type edgeFile struct {
	file *os.File
	size int64
	buf  []byte
}

const edgeSize = 40

func newEdgeFile() (*edgeFile, error) {
	file, err := scratchFile()
	return &edgeFile{file: file}, err
}

func (f *edgeFile) close() error { return f.file.Close() }

func (f *edgeFile) put(e edge) error {
	f.buf = binary.LittleEndian.AppendUint64(f.buf, uint64(e.table))
	key := uint64(e.key) << 1
	if e.exists {
		key |= 1
	}
	f.buf = binary.LittleEndian.AppendUint64(f.buf, key)
	f.buf = binary.LittleEndian.AppendUint64(f.buf, uint64(e.seq))
	f.buf = append(f.buf, e.parent[:]...)
	if len(f.buf) < 1<<16 {
		return nil
	}
	return f.flush()
}

func (f *edgeFile) flush() error {
	n, err := f.file.WriteAt(f.buf, f.size)
	f.size += int64(n)
	f.buf = f.buf[:0]
	return err
}

func (f *edgeFile) each(visit func(edge) error) error {
	if err := f.flush(); err != nil {
		return err
	}
	block := make([]byte, edgeSize*1024)
	for at := int64(0); at < f.size; at += int64(len(block)) {
		n, err := f.file.ReadAt(block, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for text := block[:n]; len(text) >= edgeSize; text = text[edgeSize:] {
			key := binary.LittleEndian.Uint64(text[8:])
			err := visit(edge{
				int(binary.LittleEndian.Uint64(text)), int(key >> 1), key&1 != 0,
				int64(binary.LittleEndian.Uint64(text[16:])), digest(text[24:40]),
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve blocks rows of a circle whose parents are not there, and those whose parents
// are blocked, until nothing changes.
func (m *planner) resolve(edges *edgeFile) error {
	for changed := true; changed; {
		changed = false
		err := edges.each(func(e edge) error {
			mine := digestOfRow(e.table, e.seq)
			if _, done, err := m.blocked.get(mine); done || err != nil {
				return err
			}
			table := m.tables[e.table]
			fk := table.ask.keys[e.key]
			find := m.planned
			if e.exists {
				find = m.ownParent
			}
			there, note, err := find(fk, e.parent)
			if err != nil || there {
				return err
			}
			changed = true
			return m.block(table, e.seq, fmt.Sprintf("parent missing: %s to %s: %s", fk.name, fk.parent.name, note))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ownParent reports whether the row of the target that has the values of a parent is the
// one that a lost row belonged to; note says why not.
func (m *planner) ownParent(fk *foreignKey, parent digest) (own bool, note string, err error) {
	table := m.byOID[fk.parent.oid]
	if table == nil {
		return true, "", nil
	}
	ref := table.refer(fk)
	if ref == nil {
		return true, "", nil
	}
	_, stranger, err := ref.strangers.get(parent)
	if stranger {
		return false, fmt.Sprintf("the row that it belonged to was deleted, and the one that is there now came since; "+
			"if it is the same after all, choose overwrite or fill for %s", table), err
	}
	return true, "", err
}

// planned reports whether a row of the plan has the values of a parent; note says why not.
func (m *planner) planned(fk *foreignKey, parent digest) (there bool, note string, err error) {
	table := m.byOID[fk.parent.oid]
	ref := table.refer(fk)
	if ref == nil {
		return false, "the case has no values of the referenced columns", nil
	}
	seq, found, err := ref.set.get(parent)
	if err != nil {
		return false, "", err
	}
	if !found {
		if _, left, err := ref.strangers.get(parent); left || err != nil {
			return false, "the parent is in the case, and does not come back either", err
		}
		return false, "no route has brought the parent into the case yet; undelete, a dump or pitr may", nil
	}
	_, blocked, err := m.blocked.get(digestOfRow(table.index, seq))
	if blocked {
		return false, fmt.Sprintf("the parent is row %d of this plan, and is blocked itself", seq), err
	}
	return true, "", err
}

// block turns a row of the plan that was to be written into a blocked one.
func (m *planner) block(table *plannedTable, seq int64, note string) error {
	before, err := m.writer.Amend(table.index, seq, string(Blocked), note)
	if err != nil {
		return err
	}
	table.plan.Counts[Action(before)]--
	if table.plan.Counts[Action(before)] == 0 {
		delete(table.plan.Counts, Action(before))
	}
	table.plan.Counts[Blocked]++
	return m.blocked.put(digestOfRow(table.index, seq), 1)
}

// elsewhere says how a parent could come that neither the target nor the plan has.
func (m *planner) elsewhere(ctx context.Context, fk *foreignKey, values []evidence.Value) (string, error) {
	var ids []int64
	for _, relation := range m.left[fk.parent.oid] {
		ids = append(ids, relation.ID)
	}
	if len(ids) == 0 {
		return "the case has no row of that table; undelete it there, or a dump or pitr may have the parent", nil
	}
	set, err := m.keysOf(ctx, fk, ids)
	if err != nil {
		return "", err
	}
	route, found, err := set.get(digestOf(canonical(values)))
	if !found {
		return "the case has rows of that table, not this one; a dump or pitr may have it", err
	}
	return fmt.Sprintf("the case has the parent by %s: plan that table too", routeName(route)), err
}

func routeName(n int64) evidence.Route {
	if n < 0 || n >= int64(len(evidence.Routes())) {
		return "another route"
	}
	return evidence.Routes()[n]
}

// keysOf reads the referenced values that the case has of a table which is not restored.
func (m *planner) keysOf(ctx context.Context, fk *foreignKey, ids []int64) (*keySet, error) {
	var names []string
	for _, pair := range fk.pairs {
		names = append(names, pair.parentName)
	}
	id := fk.parent.oid + " " + strings.Join(names, " ")
	if set := m.others[id]; set != nil {
		return set, nil
	}
	set, err := newKeySet()
	if err != nil {
		return nil, err
	}
	m.others[id] = set
	for candidate, err := range m.Case.Candidates(ctx, ids, names) {
		if err != nil {
			return nil, err
		}
		d := digestOf(canonical(candidate.Key))
		if _, known, err := set.get(d); err != nil {
			return nil, err
		} else if known {
			continue // the best comes first
		}
		if err := set.put(d, int64(slices.Index(evidence.Routes(), candidate.Route))); err != nil {
			return nil, err
		}
	}
	return set, nil
}
