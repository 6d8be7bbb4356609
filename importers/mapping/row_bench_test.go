package mapping

import (
	"fmt"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// twenty is a profile with twenty columns of text, and a record for it.
func twenty(tb testing.TB, convert string) (*Mapping, []string) {
	tb.Helper()
	text := "profile: wide\ntable: t\nnulls: [\"\"]\nconvert: " + convert + "\ncolumns:\n"
	var header, fields []string
	var columns []Column
	for i := range 20 {
		name := fmt.Sprintf("column_%d", i)
		text += "  " + name + ":\n"
		header = append(header, name)
		fields = append(fields, fmt.Sprintf("value %d of it", i))
		columns = append(columns, Column{Name: name, Type: "character varying(255)"})
	}
	return mapped(tb, parse(tb, text), header, MapOptions{Columns: columns}), fields
}

// BenchmarkRow is to take at most 0.5 µs for twenty columns of text, and to allocate nothing.
func BenchmarkRow(b *testing.B) {
	mixed := mapped(b, parse(b, plain), []string{"server", "ip", "cores", "GB", "seen", "color"}, MapOptions{})
	for _, bench := range []struct {
		name   string
		m      *Mapping
		fields []string
	}{{"text", nil, nil}, {"trim", nil, nil}, {"mixed", mixed, []string{"web1", "10.0.0.1", "16", "512 MB", "24.12.2024", "green"}}} {
		m, fields := bench.m, bench.fields
		if m == nil {
			m, fields = twenty(b, bench.name)
		}
		rec := record(fields...)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			var values []evidence.Value
			for b.Loop() {
				var refused *Refusal
				if values, refused = m.Row(values[:0], rec); refused != nil {
					b.Fatal(refused)
				}
			}
		})
	}
}
