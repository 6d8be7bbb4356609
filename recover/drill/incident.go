package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Ending is how a good run ends.
type Ending string

// The endings.
const (
	RowsBack      Ending = "rows back"
	NothingToHave Ending = "nothing to have" // no evidence holds the rows, and the book says so
	Elsewhere     Ending = "rows are elsewhere"
	NothingLost   Ending = "nothing was lost"
)

// Incident is something that happens to the shop.
type Incident struct {
	Name   string `json:"incident"`
	What   string `json:"what"`
	Shapes []int  `json:"shapes"` // of the table at the end of RUNBOOK.md
	Ending Ending `json:"ending"`
	// Hypotheses are the names of which triage has to give one, as `triage --outputs` writes
	// them; the first is the best.
	Hypotheses []string `json:"hypotheses"`
	Reported   []string `json:"reported"` // the tables that people miss rows of, as SQL writes them

	newcomers []table           // the tables that newcomers come to
	settings  map[string]string // of its server
	happen    func(ctx context.Context, s *scene) error
}

// ErrNoIncident: there is no incident of that name.
var ErrNoIncident = errors.New("there is no such incident")

// Find gives the incidents of these names, in the order of the table; no name means all.
func Find(names ...string) ([]Incident, error) {
	all := Incidents()
	if len(names) == 0 {
		return all, nil
	}
	var found []Incident
	for _, in := range all {
		if slices.Contains(names, in.Name) {
			found = append(found, in)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(in Incident) bool { return in.Name == name }) {
			return nil, &evidence.Error{
				Op: "drill: find incident", Place: name, Err: evidence.OfKind(ErrNoIncident, fmt.Errorf("it is none of %s", namesOf(all))),
				Hint: "`pgrescue runbook drill --list` says what each is",
			}
		}
	}
	return found, nil
}

func namesOf(list []Incident) string {
	var names []string
	for i := range list {
		names = append(names, list[i].Name)
	}
	return strings.Join(names, ", ")
}

// statements is an incident that some statements make in one transaction.
func statements(hurt []table, sql ...string) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error { return s.destroy(ctx, hurt, sql...) }
}

// Incidents are all incidents.
func Incidents() []Incident {
	list := []Incident{
		{
			Name: "delete-without-where", What: "somebody runs DELETE FROM sales.invoices without a WHERE", Shapes: []int{1, 3, 4},
			Ending: RowsBack, Hypotheses: []string{"cleanup"}, Reported: named(invoices()), newcomers: []table{invoices()},
			happen: statements([]table{invoices()}, "DELETE FROM sales.invoices"),
		},
		{
			Name: "tenant-cleanup", What: "a cleanup script deletes a tenant that is in use, from three tables in one transaction", Shapes: []int{19, 40},
			Ending: RowsBack, Hypotheses: []string{"cleanup"}, Reported: named(projects(), assets(), files()), newcomers: []table{projects(), assets()},
			happen: statements([]table{projects(), assets(), files()},
				"DELETE FROM sales.files WHERE tenant = 3", "DELETE FROM sales.assets WHERE tenant = 3", "DELETE FROM sales.projects WHERE tenant = 3"),
		},
		{
			Name: "cascade", What: "a DELETE of customers takes their orders and lines along by ON DELETE CASCADE", Shapes: []int{48},
			Ending: RowsBack, Hypotheses: []string{"cascade"}, Reported: named(customers()), newcomers: []table{customers(), orders()},
			happen: statements([]table{customers(), orders(), orderLines()}, "DELETE FROM sales.customers WHERE id % 3 = 1"),
		},
		{
			Name: "update-without-where", What: "an UPDATE without a WHERE sets all prices to one value", Shapes: []int{1, 2},
			Ending: RowsBack, Hypotheses: []string{"overwrote"}, Reported: named(prices()), newcomers: []table{prices()},
			happen: statements([]table{prices()}, "UPDATE sales.prices SET amount = 0, note = 'sale'"),
		},
		{
			Name: "truncate", What: "a test empties sales.invoices with TRUNCATE, in the wrong database", Shapes: []int{7, 8, 18},
			Ending: RowsBack, Hypotheses: []string{"truncated"}, Reported: named(invoices()), newcomers: []table{invoices()},
			happen: statements([]table{invoices()}, "TRUNCATE sales.invoices"),
		},
		{
			Name: "drop-table", What: "somebody drops sales.invoices", Shapes: []int{9, 11},
			Ending: RowsBack, Hypotheses: []string{"recreated"}, Reported: named(invoices()), newcomers: []table{invoices()},
			happen: statements([]table{invoices()}, "DROP TABLE sales.invoices"),
		},
		{
			Name: "drop-and-create", What: "a migration drops sales.invoices and creates it anew, and the application goes on with the empty one", Shapes: []int{16, 17},
			Ending: RowsBack, Hypotheses: []string{"recreated"}, Reported: named(invoices()), newcomers: []table{invoices()},
			happen: statements([]table{invoices()}, "DROP TABLE sales.invoices", invoices().create),
		},
		{
			Name: "vacuumed", What: "a DELETE takes half of the invoices, and VACUUM comes by before anybody notices", Shapes: []int{5, 6, 30},
			Ending: RowsBack, Hypotheses: []string{"cleanup"}, Reported: named(invoices()), newcomers: []table{invoices()},
			happen: func(ctx context.Context, s *scene) error {
				err := s.destroy(ctx, []table{invoices()}, "DELETE FROM sales.invoices WHERE id % 2 = 0")
				if err == nil {
					err = s.exec(ctx, "VACUUM sales.invoices", "CHECKPOINT")
				}
				return err
			},
		},
		{
			Name: "many-transactions", What: "a job deletes nine tenths of the invoices in thirty-six transactions, and the WAL of their making is gone", Shapes: []int{4, 47},
			Ending: RowsBack, Hypotheses: []string{"cleanup"}, Reported: named(invoices()), newcomers: []table{customers()},
			settings: map[string]string{"wal_keep_size": "0", "wal_recycle": "off", "min_wal_size": "32MB"},
			happen:   inPortions,
		},
		{
			Name: "drop-column", What: "a migration drops a column that is in use", Shapes: []int{13, 14, 15},
			Ending: RowsBack, Hypotheses: []string{"column"}, Reported: named(products()),
			happen: statements([]table{products()}, "ALTER TABLE sales.products DROP COLUMN description"),
		},
		{
			Name: "partitions", What: "a retention job deletes from a partitioned table, with the wrong condition", Shapes: []int{19},
			Ending: RowsBack, Hypotheses: []string{"cleanup"}, Reported: named(events()),
			happen: statements([]table{events()}, "DELETE FROM sales.events WHERE id % 3 > 0"),
		},
		{
			Name: "quoted-names", What: "a DELETE takes rows of a table whose name needs quotes", Shapes: []int{1, 42},
			Ending: RowsBack, Hypotheses: []string{"cleanup"}, Reported: named(entries()),
			happen: statements([]table{entries()}, `DELETE FROM "Old Sales"."Ledger.Entries" WHERE id <= 400`),
		},
	}
	return append(list, quietIncidents()...)
}

// quietIncidents are those after which no row can or has to be given back.
func quietIncidents() []Incident {
	return []Incident{
		{
			Name: "rolled-back", What: "a DELETE is rolled back, and another is refused with a syntax error; the log shows both", Shapes: []int{40},
			Ending: NothingLost, Hypotheses: []string{"undone", "none"}, Reported: named(invoices()), newcomers: []table{invoices()},
			happen: rolledBack,
		},
		{
			Name: "busy", What: "a busy server: rows come, change and go as always, and somebody believes that some are missing", Shapes: []int{2, 40},
			Ending: NothingLost, Hypotheses: []string{"none", "undone"}, Reported: named(invoices()), newcomers: []table{invoices(), customers()},
			happen: func(context.Context, *scene) error { return nil },
		},
		{
			Name: "unlogged", What: "the server crashes, and comes back with its unlogged table empty", Shapes: []int{41},
			Ending: NothingToHave, Hypotheses: []string{"unlogged"}, Reported: named(carts()),
			happen: crash,
		},
		{
			Name: "fresh-initdb", What: "a container comes up on an empty volume: a new cluster with an empty database, and the old one lies elsewhere", Shapes: []int{24},
			Ending: Elsewhere, Hypotheses: []string{"wrong-place"}, Reported: named(invoices()),
			happen: beginAnew,
		},
		{
			Name: "old-backup", What: "somebody restores an older base backup over the cluster", Shapes: []int{31, 49},
			Ending: NothingToHave, Hypotheses: []string{"old-backup"}, Reported: named(invoices()),
			happen: restoreOld,
		},
	}
}

// inPortions deletes rows in many transactions, none of which stands out. How the rows came is not in the WAL any more.
func inPortions(ctx context.Context, s *scene) error {
	for range 4 {
		if err := s.exec(ctx, "SELECT pg_switch_wal()", "CHECKPOINT"); err != nil {
			return err
		}
	}
	for n := range 36 {
		if err := s.destroy(ctx, []table{invoices()}, fmt.Sprintf("DELETE FROM sales.invoices WHERE id > %d AND id <= %d", n*50, n*50+50)); err != nil {
			return err
		}
	}
	return s.exec(ctx, "ANALYZE sales.invoices") // as autovacuum does soon
}

func rolledBack(ctx context.Context, s *scene) error {
	err := s.exec(ctx, "BEGIN; DELETE FROM sales.invoices; ROLLBACK", "BEGIN; TRUNCATE sales.assets CASCADE; ROLLBACK")
	if err != nil {
		return err
	}
	for _, refused := range []string{`DELETE FROM sales.invoices WHERE note \!= 'x'`, "DELETE FROM sales.invoices WHERE id / 0 = 1"} {
		if s.exec(ctx, refused) == nil {
			return fmt.Errorf("drill: the server took %q", refused)
		}
	}
	return nil
}
