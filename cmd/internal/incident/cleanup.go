package main

import (
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/testdata"
)

// attempt is one transaction of the cleanup, as it will be run.
type attempt struct {
	label      string
	savepoints bool // each statement under a savepoint of its own
	rollback   bool // rolled back although nothing failed
	statements []string
	// dooms says which rows it will destroy; nothing if it will not commit.
	dooms []doom
}

// doom is the oracle of one table in one attempt.
type doom struct{ table, operation, where string }

// The predicates of the cleanup script, in our own words.
const (
	demoAccounts    = "SELECT id FROM migration.client_accounts WHERE name LIKE 'Demo%' OR id = '" + demoClient + "'"
	demoEngagements = "SELECT id FROM migration.engagements WHERE client_account_id IN (" + demoAccounts + ")"
	demoImports     = "SELECT id FROM migration.data_imports WHERE engagement_id IN (" + demoEngagements + ")"
	demoAssets      = "SELECT id FROM migration.assets WHERE client_account_id IN (" + demoAccounts + ")"
	ofAccounts      = "client_account_id IN (" + demoAccounts + ")"
	ofEngagements   = "engagement_id IN (" + demoEngagements + ")"
	ofImports       = "data_import_id IN (" + demoImports + ")"
	ofAssets        = "asset_id IN (" + demoAssets + ")"
	demoUsers       = "email LIKE '%@demo-corp.com'"
)

// rehearsal is somebody who counts what a DELETE would take, and rolls back.
func rehearsal() attempt {
	return attempt{label: "rehearsal", rollback: true, statements: []string{"DELETE FROM migration.assets WHERE " + ofAccounts}}
}

// firstRun is the script with a transaction for each statement. It was
// interrupted when the errors scrolled by.
func firstRun() []attempt {
	users := "UPDATE migration.users SET default_engagement_id = NULL, default_client_id = NULL WHERE " + demoUsers
	return []attempt{
		{label: "users", statements: []string{users}, dooms: []doom{{"users", "update", demoUsers}}},
		{
			label: "field-mappings", statements: []string{"DELETE FROM migration.import_field_mappings WHERE " + ofImports},
			dooms: []doom{{"import_field_mappings", "delete", ofImports}},
		},
		{label: "raw-records-refused", statements: []string{"DELETE FROM migration.raw_import_records WHERE " + ofImports}},
		{label: "imports-refused", statements: []string{"DELETE FROM migration.data_imports WHERE " + ofEngagements}},
	}
}

// retry is the script in one transaction, in an order that the foreign keys
// allow. What still fails is rolled back to its savepoint, the rest is committed.
func retry() attempt {
	const discovery = ofAccounts + " AND flow_type = 'discovery'"
	return attempt{
		label: "retry", savepoints: true,
		statements: []string{
			"DELETE FROM migration.asset_dependencies WHERE " + ofAssets,
			"DELETE FROM migration.assets WHERE " + ofAccounts,
			"DELETE FROM migration.raw_import_records WHERE " + ofImports,
			"DELETE FROM migration.crewai_flow_state_extensions WHERE " + discovery,
			"DELETE FROM migration.data_imports WHERE " + ofEngagements,
			"DELETE FROM migration.users WHERE " + demoUsers,
			"DELETE FROM migration.engagements WHERE " + ofAccounts,
			"DELETE FROM migration.client_accounts WHERE id IN (" + demoAccounts + ")",
		},
		dooms: []doom{
			{"asset_dependencies", "delete", ofAssets},
			{"assets", "delete", ofAccounts},
			{"crewai_flow_state_extensions", "delete", discovery},
			{"data_imports", "delete", ofEngagements},
			{"discovery_flows", "delete", ofAccounts}, // by ON DELETE CASCADE
			{"raw_import_records", "delete", ofImports},
		},
	}
}

// leftovers is a last statement by hand, after the checkpoint.
func leftovers() attempt {
	const assessment = ofAccounts + " AND flow_type = 'assessment'"
	return attempt{
		label: "leftovers", statements: []string{"DELETE FROM migration.crewai_flow_state_extensions WHERE " + assessment},
		dooms: []doom{{"crewai_flow_state_extensions", "delete", assessment}},
	}
}

// try runs an attempt and notes what each statement did. A statement may fail;
// it is the cleanup's way.
func (r *recorder) try(ctx context.Context, a attempt) error {
	noted := testdata.Transaction{Label: a.label, Destroyed: r.oracles[a.label]}
	var err error
	if noted.Before, err = r.lsn(ctx); err != nil {
		return err
	}
	if err := r.db.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if noted.XID, err = r.xid(ctx); err != nil {
		return err
	}
	failed := false
	for i, sql := range a.statements {
		statement := r.statement(ctx, a, i, sql)
		noted.Statements = append(noted.Statements, statement)
		failed = failed || statement.Error != ""
	}
	noted.Committed = !a.rollback && (a.savepoints || !failed)
	end := "COMMIT"
	if a.rollback {
		end = "ROLLBACK"
	}
	if err := r.db.Exec(ctx, end); err != nil {
		return fmt.Errorf("end of %s: %w", a.label, err)
	}
	if noted.After, err = r.lsn(ctx); err != nil {
		return err
	}
	if noted.Committed != (len(a.dooms) > 0) {
		return fmt.Errorf("%s: committed is %v, the story says otherwise: %+v", a.label, noted.Committed, noted.Statements)
	}
	r.truth.Transactions = append(r.truth.Transactions, noted)
	return nil
}

// statement runs one statement of an attempt.
func (r *recorder) statement(ctx context.Context, a attempt, n int, sql string) testdata.Statement {
	noted := testdata.Statement{SQL: sql}
	savepoint := fmt.Sprintf("step_%d", n+1)
	if a.savepoints {
		sql = "SAVEPOINT " + savepoint + ";" + sql + "; RELEASE SAVEPOINT " + savepoint
	}
	if err := r.db.Exec(ctx, sql); err != nil {
		noted.Error = cluster.ServerMessage(err)
		if a.savepoints {
			if err := r.db.Exec(ctx, "ROLLBACK TO SAVEPOINT "+savepoint+"; RELEASE SAVEPOINT "+savepoint); err != nil {
				noted.Error += "; " + err.Error()
			}
		}
	}
	return noted
}
