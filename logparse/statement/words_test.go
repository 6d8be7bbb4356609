package statement_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
)

func TestWordsOfTransactions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sql  string
		want statement.Words
	}{
		{"", statement.Words{}},
		{"  /* a /* nested */ one */ -- and another\n begin", statement.Words{Verb: "BEGIN", Transaction: statement.Begin}},
		{"BEGIN ISOLATION LEVEL SERIALIZABLE", statement.Words{Verb: "BEGIN", Transaction: statement.Begin}},
		{"start transaction read only;", statement.Words{Verb: "START", Transaction: statement.Begin}},
		{"COMMIT", statement.Words{Verb: "COMMIT", Transaction: statement.Commit}},
		{"end work and chain", statement.Words{Verb: "END", Transaction: statement.Commit, Chain: true}},
		{"COMMIT TRANSACTION AND NO CHAIN", statement.Words{Verb: "COMMIT", Transaction: statement.Commit}},
		{"rollback", statement.Words{Verb: "ROLLBACK", Transaction: statement.Rollback}},
		{"ABORT AND CHAIN", statement.Words{Verb: "ABORT", Transaction: statement.Rollback, Chain: true}},
		{`SAVEPOINT "Sp 1"`, statement.Words{Verb: "SAVEPOINT", Transaction: statement.Savepoint, Name: "Sp 1"}},
		{"RELEASE SAVEPOINT Sp", statement.Words{Verb: "RELEASE", Transaction: statement.Release, Name: "sp"}},
		{"release sp", statement.Words{Verb: "RELEASE", Transaction: statement.Release, Name: "sp"}},
		{"release savepoint", statement.Words{Verb: "RELEASE", Transaction: statement.Release, Name: "savepoint"}},
		{"ROLLBACK TO SAVEPOINT sa_savepoint_1", statement.Words{Verb: "ROLLBACK", Transaction: statement.RollbackTo, Name: "sa_savepoint_1"}},
		{"rollback work to x", statement.Words{Verb: "ROLLBACK", Transaction: statement.RollbackTo, Name: "x"}},
		{"PREPARE TRANSACTION 'it''s'", statement.Words{Verb: "PREPARE", Transaction: statement.Prepare, Name: "it's"}},
		{"COMMIT PREPARED 'a'", statement.Words{Verb: "COMMIT", Transaction: statement.CommitPrepared, Name: "a"}},
		{"ROLLBACK PREPARED E'\\x61'", statement.Words{Verb: "ROLLBACK", Transaction: statement.RollbackPrepared, Name: "a"}},
		{"PREPARE transaction (int) AS SELECT 1", statement.Words{Verb: "PREPARE"}},
		{"(select 1)", statement.Words{Verb: "SELECT"}},
		{"delete from begin_log", statement.Words{Verb: "DELETE"}},
		{"'begin'", statement.Words{}},
	}
	for _, test := range tests {
		if got := statement.ReadWords(test.sql); got != test.want {
			t.Errorf("ReadWords(%q) = %+v, want %+v", test.sql, got, test.want)
		}
	}
}

func TestSplitKeepsStringsAndBodiesWhole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sql  string
		want []string
	}{
		{"", nil},
		{" ; ;; -- nothing\n", nil},
		{"select 1", []string{"select 1"}},
		{"begin; insert into t values (';', E'\\';', $$;$$, $a$ $$;$a$); commit;", []string{"begin", "insert into t values (';', E'\\';', $$;$$, $a$ $$;$a$)", "commit"}},
		{"select 1 /* ; /* ; */ ; */; select \";\" -- ;\n; x", []string{"select 1 /* ; /* ; */ ; */", "select \";\" -- ;", "x"}},
		{"create rule r as on insert to t do also (delete from a; delete from b); select 1", []string{"create rule r as on insert to t do also (delete from a; delete from b)", "select 1"}},
		{"create function f() returns int begin atomic select 1; select case when true then 1 end; end; select 2", []string{"create function f() returns int begin atomic select 1; select case when true then 1 end; end", "select 2"}},
		{"create function f() returns int begin atomic select 1 as end; select 2 end; select t.end, t.case from t; end; select 2", []string{"create function f() returns int begin atomic select 1 as end; select 2 end; select t.end, t.case from t; end", "select 2"}},
		{"select 1; insert into t values ('cut; ", []string{"select 1", "insert into t values ('cut;"}},
		{"select foo$1;x, 'a' \n 'b;'; y", []string{"select foo$1", "x, 'a' \n 'b;'", "y"}},
	}
	for _, test := range tests {
		if got := statement.Split(test.sql); !slices.Equal(got, test.want) {
			t.Errorf("Split(%q)\n got %q\nwant %q", test.sql, got, test.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("begin; insert into t values (';', E'\\';', $$;$$, U&'\\0061;', B'1'); commit")
	f.Add("/* /* */ */ select \"a\" -- x\n, 1.5e-3 0x1F $1 a$1 =-1")
	f.Fuzz(func(t *testing.T, sql string) {
		length := 0
		for _, part := range statement.Split(sql) {
			length += len(part)
			if !strings.Contains(sql, part) {
				t.Fatalf("%q is no part of %q", part, sql)
			}
			statement.ReadWords(part)
		}
		if length > len(sql) {
			t.Fatalf("%d bytes of %d", length, len(sql))
		}
	})
}
