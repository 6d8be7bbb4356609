package main

import (
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// rebuilt gives a row of logs to the case.
func (r *recorder) rebuilt(row *evidence.Row) error {
	if r == nil {
		return nil
	}
	table, err := r.begun(casefile.Table{Relation: row.Relation})
	if err != nil {
		return err
	}
	return libraryError(table.Put(row))
}

// counted notes how many rows there are, as a message tells.
func (r *recorder) counted(c *applog.Count) error {
	if r == nil {
		return nil
	}
	return libraryError(r.run.Count(casefile.Count{
		Relation: c.Relation, What: c.What, Rows: c.Rows, Source: c.Source, Line: c.Line, Why: secrets.Text(c.Why),
	}))
}
