package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// CascadeLoss is a database in which one DELETE went through six tables by
// ON DELETE CASCADE, and to which new rows came afterwards.
type CascadeLoss struct {
	Database string
	// Owner is the role that owns the tables. It is no superuser.
	Owner  string
	Tables []CascadeTable
	XID    pg.XID

	cluster *Cluster
}

// CascadeTable is one table of a CascadeLoss. Rows are lost from all of them but
// the last, which a trigger of another writes.
type CascadeTable struct {
	Schema, Name string
	Columns      []string // those that can be inserted, in the table's order
	Key          []string // nil: it has none
	Sequence     string   // what numbers its rows, as SQL writes it; may be empty
}

// String is the table's name as SQL writes it.
func (t CascadeTable) String() string { return pg.QuoteIdent(t.Schema) + "." + pg.QuoteIdent(t.Name) }

const (
	cascadeDatabase = "firm"
	cascadeExpected = "firm_expected"
	cascadeOwner    = "keeper"
)

func cascadeTables() []CascadeTable {
	return []CascadeTable{
		{"firm", "tenant", []string{"id", "name", "settings"}, []string{"id"}, "firm.tenant_id_seq"},
		{"firm", "department", []string{"id", "tenant_id", "code", "head_id"}, []string{"id"}, "firm.department_id_seq"},
		{"firm", "employee", []string{"id", "department_id", "email", "name", "version", "photo"}, []string{"id"}, "firm.employee_id_seq"},
		{"firm", "booking", []string{"day", "no", "employee_id", "hours", "note"}, []string{"day", "no"}, ""},
		{"Отдел", `weird " name`, []string{"day", "no", "line", "what text", "select"}, []string{"day", "no", "line"}, ""},
		{"firm", "scribble", []string{"employee_id", "at", "words"}, nil, ""},
		{"firm", "audit", []string{"id", "what", "who"}, []string{"id"}, "firm.audit_id_seq"},
	}
}

// BuildCascadeLoss makes the loss in a new database: 30 tenants with
// departments, employees, bookings, their lines, and scribbles; every third
// tenant is deleted, and all that is its goes with it. Department and employee
// refer to each other, bookings are partitioned, scribbles have no key and come
// twice, one trigger of employee writes to another table and one changes values.
// The cluster should have been made with TenantLossSettings.
func BuildCascadeLoss(ctx context.Context, c *Cluster) (*CascadeLoss, error) {
	l := &CascadeLoss{Database: cascadeDatabase, Owner: cascadeOwner, Tables: cascadeTables(), cluster: c}
	err := c.Exec(ctx, "postgres", "CREATE ROLE "+cascadeOwner+" LOGIN", "CREATE DATABASE "+cascadeDatabase)
	if err == nil {
		err = c.Exec(ctx, cascadeDatabase, "GRANT CREATE, TEMPORARY ON DATABASE "+cascadeDatabase+" TO "+cascadeOwner,
			"SET ROLE "+cascadeOwner, cascadeSchema, cascadeTriggers, cascadeRows, cascadeHeads)
	}
	if err == nil {
		err = c.Exec(ctx, "postgres", "CREATE DATABASE "+cascadeExpected+" TEMPLATE "+cascadeDatabase, "CHECKPOINT")
	}
	if err == nil {
		err = c.with(ctx, cascadeDatabase, func(conn *pgx.Conn) (err error) {
			l.XID, err = transact(ctx, conn, []string{"SET LOCAL ROLE " + cascadeOwner, "DELETE FROM firm.tenant WHERE id % 3 = 1"})
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("cluster: build cascade loss: %w", err)
	}
	return l, nil
}

// Newcomers brings 1,000 new rows, as an application would that works on after
// the loss. Some have the unique values of lost rows, some their keys, because
// somebody set a sequence back.
func (l *CascadeLoss) Newcomers(ctx context.Context) error {
	const count = "SELECT (SELECT count(*) FROM firm.tenant) + (SELECT count(*) FROM firm.department) + (SELECT count(*) FROM firm.employee) + " +
		`(SELECT count(*) FROM firm.booking) + (SELECT count(*) FROM "Отдел"."weird "" name") + (SELECT count(*) FROM firm.scribble)`
	var before, after int
	text, err := l.cluster.Value(ctx, l.Database, count)
	if err == nil {
		_, err = fmt.Sscan(text, &before)
	}
	if err == nil {
		err = l.cluster.Exec(ctx, l.Database, "SET ROLE "+l.Owner, cascadeNewcomers)
	}
	if err == nil {
		text, err = l.cluster.Value(ctx, l.Database, count)
	}
	if err == nil {
		_, err = fmt.Sscan(text, &after)
	}
	if err == nil && after-before != 1000 {
		err = fmt.Errorf("%d rows came, want 1000", after-before)
	}
	if err != nil {
		return fmt.Errorf("cluster: newcomers: %w", err)
	}
	return nil
}

// Expected works out, with PostgreSQL alone, the state after a rescue in which
// every new row stays as it is: what was there before the loss, without the rows
// whose key or unique value a new row has now, without what belongs to those by
// foreign keys, and the new rows. It is called once, before rows are given back.
func (l *CascadeLoss) Expected(ctx context.Context) (map[string]string, error) {
	fail := func(err error) error { return fmt.Errorf("cluster: expected state: %w", err) }
	if err := l.cluster.Exec(ctx, cascadeExpected, "CREATE SCHEMA now"); err != nil {
		return nil, fail(err)
	}
	for i, table := range l.Tables {
		now := fmt.Sprintf("now.t%d", i)
		columns := quoteAll(table.Columns, "")
		rows, err := l.cluster.CopyOut(ctx, l.Database, fmt.Sprintf("SELECT %s FROM %s", columns, table))
		if err == nil {
			err = l.cluster.Exec(ctx, cascadeExpected, fmt.Sprintf("CREATE TABLE %s AS SELECT %s FROM %s WITH NO DATA", now, columns, table))
		}
		if err == nil {
			err = l.cluster.CopyIn(ctx, bytes.NewReader(rows), cascadeExpected, now)
		}
		if err != nil {
			return nil, fail(err)
		}
	}
	statements := []string{"ALTER TABLE firm.employee DISABLE TRIGGER USER", "BEGIN"}
	for i, table := range l.Tables {
		if table.Key == nil {
			continue
		}
		// The lost row whose key a new row has: it goes, and what refers to it.
		statements = append(statements, fmt.Sprintf("DELETE FROM %s t USING now.t%d n WHERE (%s) = (%s) AND (%s) IS DISTINCT FROM (%s)",
			table, i, quoteAll(table.Key, "t."), quoteAll(table.Key, "n."), quoteAll(table.Columns, "t."), quoteAll(table.Columns, "n.")))
	}
	statements = append(statements,
		"DELETE FROM firm.tenant t USING now.t0 n WHERE t.name = n.name AND t.id <> n.id",
		"DELETE FROM firm.employee t USING now.t2 n WHERE t.email = n.email AND t.id <> n.id",
		"SET LOCAL session_replication_role = replica")
	for i, table := range l.Tables {
		columns := quoteAll(table.Columns, "")
		insert := fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM now.t%d n", table, columns, columns, i)
		if table.Key == nil {
			insert += fmt.Sprintf(" EXCEPT ALL SELECT %s FROM %s", columns, table)
		} else {
			insert += fmt.Sprintf(" WHERE NOT EXISTS (SELECT FROM %s t WHERE (%s) = (%s))", table, quoteAll(table.Key, "t."), quoteAll(table.Key, "n."))
		}
		statements = append(statements, insert)
	}
	if err := l.cluster.Exec(ctx, cascadeExpected, append(statements, "COMMIT")...); err != nil {
		return nil, fail(err)
	}
	return l.state(ctx, cascadeExpected)
}

// Before is the State just before the loss. It is asked for before Expected.
func (l *CascadeLoss) Before(ctx context.Context) (map[string]string, error) {
	return l.state(ctx, cascadeExpected)
}

// State is COPY's text of every table, its lines sorted, by the table's name as
// SQL writes it.
func (l *CascadeLoss) State(ctx context.Context) (map[string]string, error) {
	return l.state(ctx, l.Database)
}

func (l *CascadeLoss) state(ctx context.Context, database string) (map[string]string, error) {
	state := make(map[string]string)
	for _, table := range l.Tables {
		rows, err := l.cluster.CopyOut(ctx, database, "SELECT * FROM "+table.String())
		if err != nil {
			return nil, err
		}
		lines := strings.SplitAfter(string(rows), "\n")
		slices.Sort(lines)
		state[table.String()] = strings.Join(lines, "")
	}
	return state, nil
}

// CheckSequences says which sequence would give out a number that is taken.
func (l *CascadeLoss) CheckSequences(ctx context.Context) error {
	var behind []error
	for _, table := range l.Tables {
		if table.Sequence == "" {
			continue
		}
		text, err := l.cluster.Value(ctx, l.Database, fmt.Sprintf(
			"SELECT s.last_value || ' is behind ' || m FROM %s s, (SELECT max(id) AS m FROM %s) t WHERE s.last_value + s.is_called::int <= m", table.Sequence, table))
		if err == nil && text != "" {
			err = fmt.Errorf("cluster: sequence %s: %s", table.Sequence, text)
		}
		behind = append(behind, err)
	}
	return errors.Join(behind...)
}

// DSN is the connection string of a role, in libpq's keyword form.
func (l *CascadeLoss) DSN(role string) string {
	return strings.Replace(l.cluster.LibpqDSN(l.Database), "user="+Superuser, "user="+role, 1)
}

// quoteAll lists columns as SQL writes them.
func quoteAll(columns []string, prefix string) string {
	quoted := make([]string, len(columns))
	for i, column := range columns {
		quoted[i] = prefix + pg.QuoteIdentAlways(column) // one of them is a key word
	}
	return strings.Join(quoted, ", ")
}
