package statement_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
)

// messages gives those that a logger wrote; a line without its name goes on with the one before.
func messages(t *testing.T, name, logger string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		if message, ok := strings.CutPrefix(line, logger+"|"); ok || len(list) == 0 || strings.HasPrefix(line, "ERROR|") {
			list = append(list, message)
		} else {
			list[len(list)-1] += "\n" + line
		}
	}
	return list
}

// The logs are those that SQLAlchemy 1.4.46 and Django 3.2.25 wrote on PostgreSQL 15, with psycopg2.
func TestLogsThatProgramsWrote(t *testing.T) {
	t.Parallel()
	p := shared()
	for _, test := range []struct{ name, logger string }{{"sqlalchemy-1.4.log", "sqlalchemy.engine.Engine"}, {"django-3.2.log", "django.db.backends"}} {
		var echo statement.Echo
		var list []string
		for _, message := range messages(t, test.name, test.logger) {
			read := echo.Take
			if strings.HasPrefix(test.name, "django") {
				read = statement.ReadDjango
			} else if strings.HasPrefix(message, "ERROR|") {
				read = statement.ReadSQLAlchemyError
			}
			if e, ok := read(message); ok {
				list = append(list, ran(t, p, e))
				if e.Missing > 0 {
					list = append(list, fmt.Sprintf("and %d times that are not shown", e.Missing))
				}
			}
		}
		want, err := os.ReadFile(filepath.Join("testdata", strings.TrimSuffix(test.name, ".log")+".want"))
		if got := strings.Join(list, "\n") + "\n"; err != nil || got != string(want) {
			t.Errorf("%s: %v\n%s", test.name, err, got)
		}
	}
}
