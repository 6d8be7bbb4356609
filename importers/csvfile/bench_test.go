//go:build unix

package csvfile_test

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/csvfile"
)

// benchRows is how many rows of 20 columns the benchmark reads.
func benchRows(b *testing.B) int {
	b.Helper()
	text := os.Getenv("PGRESCUE_BENCH_ROWS")
	if text == "" {
		return 1_000_000
	}
	rows, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return rows
}

// inventory writes an inventory of 20 columns, about 275 bytes a row: quotes, lines within quotes, UTF-8.
func inventory(tb testing.TB, rows int) *importers.Source {
	tb.Helper()
	return badInventory(tb, rows, 0)
}

// badInventory writes one in which one row of so many is bad, in four ways in turn; 0: none.
func badInventory(tb testing.TB, rows, bad int) *importers.Source {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "inventory.csv")
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriterSize(file, 1<<20)
	fmt.Fprintln(w, "id,hostname,ip_address,os,environment,criticality,owner,department,location,cpu,memory,disk,status,application,dependencies,description,updated,cost,contact,tag")
	for i := range rows {
		if bad > 0 && i%bad == bad-1 {
			fmt.Fprintln(w, []string{"1,short", strings.Repeat("long,", 30), "1,\"open", "\xff" + strings.Repeat(",", 19)}[i/bad%4])
			continue
		}
		note := "Primary web server handling customer traffic"
		switch i % 10 {
		case 3:
			note = `"said ""keep it"", twice"`
		case 7:
			note = "\"first line\nsecond line, with a comma\""
		}
		fmt.Fprintf(w, "%d,web-server-%07d.example.com,10.%d.%d.%d,Ubuntu 20.04 LTS,Production,High,Jürgen Müller,Forschung & Entwicklung,DataCenter-A,%d,%d,%d,Active,eCommerce Platform,\"DB%03d,LB%03d\",%s,2024-01-15 10:00:%02d,%d.%02d,jm%d@example.com,\n",
			i, i, i>>16&255, i>>8&255, i&255, 1+i%64, 2<<(i%8), 100+i%900, i%1000, i%777, note, i%60, i%5000, i%100, i%9999)
	}
	if err := errors.Join(w.Flush(), file.Close()); err != nil {
		tb.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	return &importers.Source{Path: path, Name: "inventory.csv", Format: importers.FormatCSV, Size: info.Size()}
}

// cpuTime is the CPU time that this process has used.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// readList reads all records of a source, and touches each field as a mapping does.
func readList(tb testing.TB, source *importers.Source, opts csvfile.Options) (records int, length int64) {
	tb.Helper()
	list, err := csvfile.Open(tb.Context(), source, opts)
	if err != nil {
		tb.Fatal(err)
	}
	for record, err := range list.Records(tb.Context(), func(r *importers.Reject) error { return errors.New(r.Reason) }) {
		if err != nil {
			tb.Fatal(err)
		}
		records++
		for i := range record.Fields {
			length += int64(len(record.Fields[i].Text))
		}
	}
	return records, length
}

// readStandard does the same with encoding/csv.
func readStandard(tb testing.TB, source *importers.Source) (records int, length int64) {
	tb.Helper()
	file, err := os.Open(source.Path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	r := csv.NewReader(bufio.NewReaderSize(file, 256<<10))
	r.ReuseRecord = true
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return records - 1, length // the header
		}
		if err != nil {
			tb.Fatal(err)
		}
		records++
		for _, field := range fields {
			length += int64(len(field))
		}
	}
}

// BenchmarkRead reads a million rows in both ways, and with encoding/csv in the same run.
func BenchmarkRead(b *testing.B) {
	rows := benchRows(b)
	source := inventory(b, rows)
	for _, mode := range []struct {
		name string
		opts csvfile.Options
	}{{"strict", csvfile.Options{}}, {"as-app", csvfile.Options{AsApp: true}}} {
		b.Run(mode.name, func(b *testing.B) {
			var ours, peer time.Duration
			var before, after runtime.MemStats
			for b.Loop() {
				start := cpuTime(b)
				n, _ := readStandard(b, source)
				peer += cpuTime(b) - start
				if n != rows {
					b.Fatalf("encoding/csv read %d records, want %d", n, rows)
				}
				runtime.ReadMemStats(&before)
				start = cpuTime(b)
				n, _ = readList(b, source, mode.opts)
				ours += cpuTime(b) - start
				runtime.ReadMemStats(&after)
				if n != rows && !mode.opts.AsApp {
					b.Fatalf("%d records, want %d", n, rows)
				}
			}
			runs := float64(b.N)
			b.SetBytes(source.Size)
			b.ReportMetric(ours.Seconds()/runs, "cpu-s")
			b.ReportMetric(peer.Seconds()/runs, "encoding/csv-cpu-s")
			b.ReportMetric(ours.Seconds()/peer.Seconds(), "x-encoding/csv")
			b.ReportMetric(float64(source.Size)*runs/1e6/ours.Seconds(), "MB/cpu-s")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/1e6, "alloc-MB")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(rows), "allocs/record")
		})
	}
}

// BenchmarkBadRows reads 100,000 rows of which 1,020 are bad and go into files of rejects, beside as many that are sound.
func BenchmarkBadRows(b *testing.B) {
	const rows, every = 100_000, 98
	clean, dirty := inventory(b, rows), badInventory(b, rows, every)
	var good, bad time.Duration
	for b.Loop() {
		start := cpuTime(b)
		readList(b, clean, csvfile.Options{})
		good += cpuTime(b) - start
		start = cpuTime(b)
		list, err := csvfile.Open(b.Context(), dirty, csvfile.Options{})
		if err != nil {
			b.Fatal(err)
		}
		w := importers.NewRejectWriter(filepath.Join(b.TempDir(), "bad"), list.Head())
		for _, err := range list.Records(b.Context(), w.Put) {
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		bad += cpuTime(b) - start
		if want := rows / every; int(w.Count()) != want {
			b.Fatalf("%d rejects, want %d", w.Count(), want)
		}
	}
	b.ReportMetric(bad.Seconds()/good.Seconds(), "x-clean")
	b.ReportMetric(bad.Seconds()/float64(b.N), "cpu-s")
}
