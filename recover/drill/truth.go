package drill

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// lines are rows as COPY writes them, with how often each is there.
type lines map[string]int64

func linesOf(text []byte) lines {
	found := lines{}
	for line := range strings.Lines(string(text)) {
		found[line]++
	}
	return found
}

// without are the lines that the other has not, or not so often.
func (l lines) without(other lines) lines {
	rest := lines{}
	for line, n := range l {
		if n -= other[line]; n > 0 {
			rest[line] = n
		}
	}
	return rest
}

func (l lines) add(other lines) {
	for line, n := range other {
		l[line] += n
	}
}

func (l lines) count() (n int64) {
	for _, times := range l {
		n += times
	}
	return n
}

// hurt is what is true of one table that lost rows.
type hurt struct {
	table table
	lost  lines // that went, or were overwritten
	over  lines // that overwrote them
	kept  lines // the others, behind the last loss
}

// hurtOf finds or makes what is known of a table.
func (s *scene) hurtOf(t table) *hurt {
	for _, h := range s.truth {
		if h.table.name == t.name {
			return h
		}
	}
	h := &hurt{table: t, lost: lines{}, over: lines{}}
	s.truth = append(s.truth, h)
	return h
}

// note takes down what one transaction did to a table.
func (h *hurt) note(before, after lines) {
	h.lost.add(before.without(after))
	h.over.add(after.without(before))
	h.kept = after.without(h.over)
}

// copyTable gives the rows of a table, or nothing when the table or one of its columns is not there.
func copyTable(ctx context.Context, s *cluster.Session, t *table) (lines, error) {
	var names []string
	for name := range strings.SplitSeq(t.columns, ", ") {
		names = append(names, "'"+strings.Trim(name, `"`)+"'")
	}
	there, err := s.Value(ctx, fmt.Sprintf("SELECT count(*) = %d FROM pg_attribute WHERE attrelid = to_regclass('%s') AND NOT attisdropped AND attname IN (%s)",
		len(names), t.name, strings.Join(names, ", ")))
	if err != nil || there != "t" {
		return lines{}, err
	}
	text, err := s.CopyOut(ctx, fmt.Sprintf("SELECT %s FROM %s", t.columns, t.name))
	return linesOf(text), err
}

func copyTables(ctx context.Context, s *cluster.Session, tables []table) ([]lines, error) {
	all := make([]lines, len(tables))
	for i := range tables {
		var err error
		if all[i], err = copyTable(ctx, s, &tables[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// destroy runs statements in one transaction, and copies the tables in it just before and
// just behind them. Traffic on the tables waits meanwhile.
func (s *scene) destroy(ctx context.Context, tables []table, sql ...string) error {
	return s.within(ctx, func(session *cluster.Session) error {
		begin := []string{"BEGIN"}
		for i := range tables {
			begin = append(begin, "LOCK TABLE "+tables[i].name+" IN SHARE ROW EXCLUSIVE MODE")
		}
		if err := session.Exec(ctx, begin...); err != nil {
			return err
		}
		before, err := copyTables(ctx, session, tables)
		if err != nil {
			return err
		}
		if err := session.Exec(ctx, sql...); err != nil {
			return err
		}
		after, err := copyTables(ctx, session, tables)
		if err != nil {
			return err
		}
		xid, err := session.Value(ctx, "SELECT txid_current()")
		if err != nil {
			return err
		}
		if err := session.Exec(ctx, "COMMIT"); err != nil {
			return err
		}
		s.culprits = append(s.culprits, xid)
		for i := range tables {
			s.hurtOf(tables[i]).note(before[i], after[i])
		}
		return nil
	})
}

// keepTruth writes the lost rows of each table into a file, as COPY writes them, for whoever looks into a drill.
func (s *scene) keepTruth(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("drill: %w", err)
	}
	for i, h := range s.truth {
		var text strings.Builder
		for _, line := range slices.Sorted(maps.Keys(h.lost)) {
			text.WriteString(strings.Repeat(line, int(h.lost[line])))
		}
		name := fmt.Sprintf("%d-%s.copy", i+1, strings.NewReplacer(`"`, "", "/", "_", " ", "_").Replace(h.table.name))
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text.String()), 0o600); err != nil {
			return fmt.Errorf("drill: %w", err)
		}
	}
	return nil
}

// remember notes all rows of a table as lost, before something takes them that is no transaction.
func (s *scene) remember(ctx context.Context, t table) error {
	return s.within(ctx, func(session *cluster.Session) error {
		before, err := copyTable(ctx, session, &t)
		s.hurtOf(t).note(before, lines{})
		return err
	})
}

// TableScore is what came back to one table.
type TableScore struct {
	Table string `json:"table"`
	Lost  int64  `json:"lost"`
	Back  int64  `json:"back"`
	// Wrong are rows that are there in the end and should not be: with values that nobody
	// ever wrote, or more often than they were.
	Wrong int64 `json:"wrong"`
	// Newcomers are rows of the traffic, and others that were not lost; Hurt: those of them that are not as they were.
	Newcomers int64 `json:"newcomers"`
	Hurt      int64 `json:"newcomers_hurt"`
}

// score compares a table with what is true of it. arrived are the lines of its newcomers.
func (h *hurt) score(now, arrived lines) TableScore {
	t := TableScore{Table: h.table.name, Lost: h.lost.count()}
	t.Back = t.Lost - h.lost.without(now).count()
	others := lines{}
	others.add(h.kept)
	others.add(arrived.without(h.lost).without(h.kept))
	t.Newcomers = others.count()
	rest := now.without(h.lost)
	t.Hurt = others.without(rest).count()
	t.Wrong = rest.without(others).without(h.over).count()
	return t
}
