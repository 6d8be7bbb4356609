//go:build linux

package xlsxfile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/xuri/excelize/v2"
)

// The benchmark runs its own binary as a child: what a reader takes is what its process takes.
const (
	childReader = "PGRESCUE_XLSX_READER" // pgrescue, guard or excelize
	childBook   = "PGRESCUE_XLSX_BOOK"
	// benchRowsVariable is the number of rows of the benchmark's sheets.
	benchRowsVariable = "PGRESCUE_BENCH_XLSX_ROWS"
	benchRows         = 200_000
)

// The bounds of a sheet of 200,000 rows of 20 columns.
const (
	sheetCPU = 1.2 // times that of excelize's iterator, with the guard
	sheetMiB = 256
)

func TestMain(m *testing.M) {
	reader := os.Getenv(childReader)
	if reader == "" {
		m.Run()
		return
	}
	cells, err := readAsChild(reader, os.Getenv(childBook))
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	fmt.Println(cells, peakOfThisProcess())
}

// peakOfThisProcess is in MiB. What the system says of a child that ended is at least the peak
// of its parent, in whose memory it ran until it executed its program.
func peakOfThisProcess() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(size)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// readAsChild reads all cells of a book and counts those that hold something.
func readAsChild(reader, path string) (int, error) {
	if reader == "excelize" {
		return readWithExcelize(path)
	}
	book, err := Open(context.Background(), sourceOf(path), Options{})
	if err != nil {
		return 0, err
	}
	defer book.Close()
	list := book.Lists()[0]
	if gaps := list.Gaps(); len(gaps) > 0 {
		return 0, fmt.Errorf("%v", gaps)
	}
	cells := len(list.Head().Header)
	if reader == "guard" {
		return cells, nil
	}
	for record, err := range list.Records(context.Background(), nil) {
		if err != nil {
			return 0, err
		}
		for i := range record.Fields {
			if len(record.Fields[i].Text) > 0 {
				cells++
			}
		}
	}
	return cells, nil
}

func readWithExcelize(path string) (int, error) {
	file, err := excelize.OpenFile(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	rows, err := file.Rows("Sheet1")
	if err != nil {
		return 0, err
	}
	cells := 0
	for rows.Next() {
		row, err := rows.Columns(excelize.Options{RawCellValue: true})
		if err != nil {
			return 0, err
		}
		for _, cell := range row {
			if cell != "" {
				cells++
			}
		}
	}
	return cells, rows.Close()
}

// used is what a process took.
type used struct {
	cpu, peakMiB float64
	cells        int
}

func runReader(b *testing.B, reader, path string) used {
	b.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childReader+"="+reader, childBook+"="+path)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, os.Stderr
	if err := command.Run(); err != nil {
		b.Fatal(err)
	}
	var u used
	if _, err := fmt.Sscan(out.String(), &u.cells, &u.peakMiB); err != nil || u.peakMiB == 0 {
		b.Fatalf("%s: %s", reader, out.String())
	}
	rusage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Fatal("the system does not say what the child used")
	}
	u.cpu = float64(rusage.Utime.Nano()+rusage.Stime.Nano()) / 1e9
	return u
}

// BenchmarkSheet reads a sheet with the guard, and beside it with excelize's iterator of rows,
// which has none.
func BenchmarkSheet(b *testing.B) {
	rows := benchRows
	if text := os.Getenv(benchRowsVariable); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			b.Fatalf("%s: %v", benchRowsVariable, err)
		}
	}
	for _, shared := range []bool{true, false} {
		name := "inline"
		if shared {
			name = "shared"
		}
		b.Run(name, func(b *testing.B) {
			path := bigBook(b, b.TempDir(), rows, shared)
			var own, guard, peer used
			for b.Loop() {
				o, g, p := runReader(b, "pgrescue", path), runReader(b, "guard", path), runReader(b, "excelize", path)
				if o.cells != p.cells {
					b.Fatalf("%d cells, excelize gives %d", o.cells, p.cells)
				}
				own.cpu, own.peakMiB = own.cpu+o.cpu, max(own.peakMiB, o.peakMiB)
				guard.cpu, peer.cpu, peer.peakMiB = guard.cpu+g.cpu, peer.cpu+p.cpu, max(peer.peakMiB, p.peakMiB)
			}
			b.ReportMetric(own.cpu/peer.cpu, "cpu/excelize")
			b.ReportMetric(own.cpu/float64(b.N), "cpu-s")
			b.ReportMetric(guard.cpu/float64(b.N), "guard-cpu-s")
			b.ReportMetric(peer.cpu/float64(b.N), "excelize-cpu-s")
			b.ReportMetric(own.peakMiB, "peak-MiB")
			b.ReportMetric(peer.peakMiB, "excelize-peak-MiB")
			if own.cpu > sheetCPU*peer.cpu {
				b.Errorf("%.2f times the CPU of excelize, limit %v", own.cpu/peer.cpu, sheetCPU)
			}
			if own.peakMiB > sheetMiB {
				b.Errorf("peak memory %.0f MiB, limit %d", own.peakMiB, sheetMiB)
			}
		})
	}
}
