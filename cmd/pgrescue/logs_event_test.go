package main

import (
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// TestShownStatements: a statement is shown as it ran, and without the secrets that its columns or its PREPARE name.
func TestShownStatements(t *testing.T) {
	t.Parallel()
	known := func(text string) evidence.Value { return evidence.Value{Text: []byte(text)} }
	for _, test := range []struct {
		event logparse.Event
		want  string
	}{
		{logparse.Event{Statement: "DELETE FROM t WHERE id = $1", Parameters: "$1 = 'it''s, \"so\"'"}, `DELETE FROM t WHERE id = 'it''s, "so"'`},
		{logparse.Event{Statement: "UPDATE u SET password_hash = $1 WHERE id = $2", Parameters: "$1 = 'geheim', $2 = NULL"}, "UPDATE u SET password_hash = '***' WHERE id = NULL"},
		{logparse.Event{Statement: "INSERT INTO u (id, api_key) VALUES ($1, $2)", Sets: [][]evidence.Value{{known("7"), known("geheim")}, {known("8"), known("x")}}}, "INSERT INTO u (id, api_key) VALUES ('7', '***')"},
		{logparse.Event{Statement: "INSERT INTO u (id, n) VALUES ($1, $2)", Sets: [][]evidence.Value{{known("7"), {State: evidence.Unknown}}}}, "INSERT INTO u (id, n) VALUES ('7', $2)"},
		{logparse.Event{Statement: "EXECUTE p('geheim')", Prepared: "PREPARE p AS UPDATE u SET password = $1"}, "EXECUTE p (***)"},
		{logparse.Event{Statement: "EXECUTE p('7')", Prepared: "PREPARE p AS DELETE FROM u WHERE id = $1"}, "EXECUTE p('7')"},
	} {
		if got := shownStatement(&test.event); got != test.want {
			t.Errorf("%s: %s, want %s", test.event.Statement, got, test.want)
		}
	}
}
