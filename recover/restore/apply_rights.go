package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/live"
)

// work is what is to be done to the rows of a place.
type work struct{ inserts, updates, deletes bool }

func (w work) any() bool { return w.inserts || w.updates || w.deletes }

// rights collects what a role needs: an expression that tells whether it has it, and its name.
type rights struct{ terms []string }

func (r *rights) need(name, format string, args ...any) {
	r.terms = append(r.terms, fmt.Sprintf("(%d, %s, %s)", len(r.terms), quoteLiteral(name), fmt.Sprintf(format, args...)))
}

func (r *rights) table(privilege string, table relationRef) {
	r.need(privilege+" on table "+table.name, "pg_catalog.has_table_privilege(%s::pg_catalog.oid, '%s')", table.oid, privilege)
}

// place collects what the work on a place needs. checked tells that we check foreign
// keys ourselves: reading and holding parents is then done by this role, and not by the
// owner as the server's own triggers do it.
func (r *rights) place(p *place, w work, checked bool) {
	r.need("USAGE on the schema of "+p.table.name,
		"(SELECT pg_catalog.has_schema_privilege(relnamespace, 'USAGE') FROM pg_catalog.pg_class WHERE oid = %s)", p.table.oid)
	r.table("SELECT", p.table)
	r.need("all rows of table "+p.table.name+", of which row security hides some (BYPASSRLS, or a superuser)",
		"NOT pg_catalog.row_security_active(%s::pg_catalog.oid)", p.table.oid)
	for privilege, needed := range map[string]bool{"INSERT": w.inserts, "UPDATE": w.updates, "DELETE": w.deletes} {
		if needed {
			r.table(privilege, p.table)
		}
	}
	if !w.any() {
		return
	}
	if checked && (w.inserts || w.updates) {
		for _, key := range p.out {
			r.table("SELECT", key.parent)
			r.need("UPDATE on a column of table "+key.parent.name+", to hold the rows that are referred to",
				"pg_catalog.has_any_column_privilege(%s::pg_catalog.oid, 'UPDATE')", key.parent.oid)
		}
	}
	if w.deletes || (checked && w.updates) {
		for _, key := range p.in {
			r.table("SELECT", key.child)
		}
	}
}

// check asks the server, and lists what is lacking in one error.
func (r *rights) check(ctx context.Context, conn *live.Conn, op string) error {
	var lacking []string
	seen := map[string]bool{}
	query := "SELECT name FROM (VALUES " + strings.Join(r.terms, ", ") + ") AS v(n, name, granted) WHERE NOT coalesce(granted, false) ORDER BY n"
	err := conn.Query(ctx, "ask for the privileges at", query, nil, func(row [][]byte) error {
		if name := string(row[0]); !seen[name] {
			seen[name] = true
			lacking = append(lacking, name)
		}
		return nil
	})
	if err != nil || len(lacking) == 0 {
		return err
	}
	return conn.Endpoint().Failure(op, live.ErrDenied, errors.New("the role lacks "+strings.Join(lacking, "; ")),
		"grant it, or act as the owner of the tables; nothing was changed")
}

// quoteLiteral writes a text as SQL does, with standard_conforming_strings on.
func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
