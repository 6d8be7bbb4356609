package restore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/live"
)

// Moved is a sequence that was moved forward.
type Moved struct {
	Name string `json:"name"`
	To   int64  `json:"to"`
}

// moveSequences moves the plan's sequences forward to where its rows are, and never back.
// A sequence does not follow the transaction: it stays where it is when that fails, which
// only leaves a hole in its numbers.
func (a *applier) moveSequences(ctx context.Context) error {
	for i := range a.Plan.Tables {
		for _, s := range a.Plan.Tables[i].Sequences {
			moved, err := a.moveSequence(ctx, s)
			if err != nil {
				return err
			}
			a.result.Sequences = append(a.result.Sequences, moved...)
		}
	}
	return nil
}

const sequenceSQL = `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), s.seqcache,
	pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE s.seqrelid = $1::pg_catalog.regclass`

// moveSequence moves a sequence forward, and tells if it was behind.
func (e *engine) moveSequence(ctx context.Context, s SequencePlan) (moved []Moved, err error) {
	op := "move sequence " + s.Name + " at"
	name, cache, owned := "", "", false
	err = e.conn.Query(ctx, op, sequenceSQL, live.Parameters(s.Name), func(row [][]byte) error {
		name, cache, owned = string(row[0]), string(row[1]), string(row[2]) == "t"
		return nil
	})
	if err != nil {
		return nil, e.explain(err)
	}
	if owned {
		// Setting what is set already keeps others from taking numbers until we are done;
		// else one could take the sequence beyond our number just before we set it back.
		if err := e.conn.Exec(ctx, op, "ALTER SEQUENCE "+name+" CACHE "+cache); err != nil {
			return nil, e.explain(err)
		}
	}
	behind := "<"
	if s.Down {
		behind = ">"
	}
	query := fmt.Sprintf("SELECT pg_catalog.setval($1::pg_catalog.regclass, $2::bigint) FROM %s WHERE last_value %s $2::bigint OR (last_value = $2::bigint AND NOT is_called)",
		name, behind)
	err = e.conn.Query(ctx, op, query, live.Parameters(s.Name, strconv.FormatInt(s.To, 10)), func([][]byte) error {
		moved = append(moved, Moved{s.Name, s.To})
		return nil
	})
	return moved, err
}
