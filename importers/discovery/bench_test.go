package discovery

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/importers"
)

// wide is a list of n records with twenty fields.
func wide(n int) *fixed {
	header := "name|hostname|ip_address|asset_type|environment|operating_system|cpu_cores|memory_gb|storage_gb|location|owner|department|application|criticality|status|description|colour|rack|note|last_updated"
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("web-%d|web-%d.example.org|10.%d.%d.%d|Server|Production|Ubuntu 22.04 LTS|8|32|500|datacenter-%d|ann.lee@example.org|Engineering|Customer Portal|High|Active|"+
			"Serves the pages of the customer portal to the browsers of customers|blue|R%02d|checked by hand in spring|2025-03-14", i, i, i>>16, i>>8&255, i&255, i%7, i%40)
	}
	return listOf(importers.FormatCSV, header, rows...)
}

// BenchmarkImport makes all rows of an import, whose records lie in memory: what is above the
// reader of the source. rows/op counts the records.
func BenchmarkImport(b *testing.B) {
	const n = 20000
	l := wide(n)
	profile, err := Profile()
	if err != nil {
		b.Fatal(err)
	}
	for _, store := range []Store{AsApp, AsMapped} {
		b.Run(string(store), func(b *testing.B) {
			m, err := profile.Map(l.head.Header, mappingOf(October()))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				im, err := New(context.Background(), l, Options{Tenant: tenantOf(), Store: store, Mapping: m, Now: time.Unix(0, 0)})
				if err != nil {
					b.Fatal(err)
				}
				size := 0
				for _, t := range im.Tables(context.Background()) {
					for row, err := range t.Rows {
						if err != nil {
							b.Fatal(err)
						}
						size += len(row.Values)
					}
				}
				if size == 0 {
					b.Fatal("there is no row")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
		})
	}
}
