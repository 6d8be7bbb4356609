package rebuild_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// traffic makes the statements of a busy application: of five, three insert a row, one changes one and one removes one.
func traffic(count int) []logparse.Event {
	list := make([]logparse.Event, 0, count)
	for i := range count {
		e := logparse.Event{Kind: logparse.Committed, Rows: -1, Place: logparse.Place{Source: server, Line: int64(i + 1)}, Stamp: logparse.Stamp{Time: noon}}
		switch i % 5 {
		case 3:
			e.Verb, e.Statement = "UPDATE", fmt.Sprintf("UPDATE app.t SET name = 'changed %d', state = NULL WHERE id = %d", i, i-3)
		case 4:
			e.Verb, e.Statement, e.Parameters = "DELETE", "DELETE FROM app.t WHERE id = $1", fmt.Sprintf("$1 = '%d'", i-3)
		default:
			e.Verb, e.Statement = "INSERT", "INSERT INTO app.t (id, name, state) VALUES ($1, $2, $3)"
			e.Parameters = fmt.Sprintf("$1 = '%d', $2 = 'name of %d, it''s', $3 = 'new'", i, i)
		}
		list = append(list, e)
	}
	return list
}

// BenchmarkBuilder makes rows of statements. Each template is parsed once.
func BenchmarkBuilder(b *testing.B) {
	for _, count := range []int{10_000, 200_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			list := traffic(count)
			p := statement.NewParser()
			if _, err := p.Parse(list[0].Statement, nil); err != nil { // loads the grammar
				b.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			measured := rebuild.New(rebuild.Options{Tables: app, Parser: p})
			for i := range list {
				if err := measured.Event(&list[i]); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(measured)
			kept := float64(after.HeapAlloc-before.HeapAlloc) / float64(count)
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				builder := rebuild.New(rebuild.Options{Tables: app, Parser: p})
				for i := range list {
					if err := builder.Event(&list[i]); err != nil {
						b.Fatal(err)
					}
				}
				rows = 0
				if err := builder.Rows(evidence.SinkFunc(func(*evidence.Row) error { rows++; return nil })); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if want := count / 5 * 3; rows != want || p.Templates() != 3 {
				b.Fatalf("%d rows, want %d; %d templates", rows, want, p.Templates())
			}
			b.ReportMetric(kept, "B-kept/statement")
			b.ReportMetric(float64(count)*float64(b.N)/b.Elapsed().Seconds(), "statements/s")
		})
	}
}

// TestManyRowsWithoutAKeyTakeLinearTime: rows whose key is a default, and as many statements that name keys.
func TestManyRowsWithoutAKeyTakeLinearTime(t *testing.T) {
	t.Parallel()
	const count = 20_000
	var lines []string
	for i := range count {
		lines = append(lines, fmt.Sprintf("INSERT INTO t (name, state) VALUES ('n%d', 's')", i), fmt.Sprintf("UPDATE t SET state = 'z' WHERE id = %d", i), "DELETE FROM t WHERE length(name) > 5")
	}
	got, _ := built(t, rebuild.Options{Tables: app}, script(lines...))
	if len(got) != 2*count {
		t.Errorf("%d rows, want %d", len(got), 2*count)
	}
}
