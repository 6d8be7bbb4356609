package csvfile_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/csvfile"
)

// find writes a file and finds the one source in it.
func find(t *testing.T, name string, content []byte) *importers.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sources, skipped, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{path}})
	if err != nil || len(sources) != 1 {
		t.Fatalf("%d sources, skipped %v, error %v", len(sources), skipped, err)
	}
	return sources[0]
}

func gzipOf(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdOf(t *testing.T, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(content, nil)
}

func zipOf(t *testing.T, members map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range members {
		member, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := member.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCompressed(t *testing.T) {
	t.Parallel()
	const text = "name,ip\nweb,1\n\"d\nb\",2\n"
	for name, content := range map[string][]byte{
		"servers.csv.gz":  gzipOf(t, []byte(text)),
		"servers.csv.zst": zstdOf(t, []byte(text)),
		"servers.zip":     zipOf(t, map[string]string{"export/servers.csv": text}),
	} {
		src := find(t, name, content)
		if src.Name != "servers.csv" {
			t.Errorf("%s: the source is called %q", name, src.Name)
		}
		got := look(t, src, csvfile.Options{})
		same(t, name, got.records, []string{"2@8 web|1", "3@14 d\nb|2"})
		same(t, name+" as app", look(t, src, csvfile.Options{AsApp: true}).records, []string{"2@8 web|1", "3@14 d|", "4@17 b|2"})
	}
}

// TestCut reads compressed files that break off: whole records are read, the rest is a gap.
func TestCut(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("name,ip\n")
	for i := range 20000 {
		fmt.Fprintf(&text, "web-%d,%d\n", i, i*7919%65536)
	}
	for name, whole := range map[string][]byte{"a.csv.gz": gzipOf(t, []byte(text.String())), "a.csv.zst": zstdOf(t, []byte(text.String()))} {
		for _, opts := range []csvfile.Options{{}, {AsApp: true}} {
			got := look(t, find(t, name, whole[:len(whole)*2/3]), opts)
			lines := strings.Split(text.String(), "\n")
			if len(got.records) < 1000 || len(got.records) > 19990 {
				t.Fatalf("%s: %d records of two thirds of the file", name, len(got.records))
			}
			for i, record := range got.records {
				if !strings.HasSuffix(record, " "+strings.ReplaceAll(lines[i+1], ",", "|")) {
					t.Fatalf("%s: record %d is %q, want %q", name, i, record, lines[i+1])
				}
			}
			if len(got.gaps) != 1 || !strings.Contains(got.gaps[0], "damaged") {
				t.Errorf("%s: gaps %q", name, got.gaps)
			}
			if len(got.rejects) > 1 || len(got.rejects) == 1 && !strings.Contains(got.rejects[0], "breaks off within it") {
				t.Errorf("%s: rejects %q", name, got.rejects)
			}
		}
	}
}

// TestZipDamage reads a member whose checksum is wrong.
func TestZipDamage(t *testing.T) {
	t.Parallel()
	archive := zipOf(t, map[string]string{"a.csv": "a,b\n" + strings.Repeat("1,2\n", 100)})
	at := bytes.Index(archive, []byte("PK\x01\x02"))
	archive[at+16] ^= 0xFF // crc-32 in the central directory
	got := look(t, find(t, "a.zip", archive), csvfile.Options{})
	if len(got.records) != 100 || len(got.gaps) != 1 || !strings.Contains(got.gaps[0], "checksum") {
		t.Errorf("%d records, gaps %q", len(got.records), got.gaps)
	}
}

// TestBomb reads a small file that would give 1 GB.
func TestBomb(t *testing.T) {
	t.Parallel()
	frame := zstdOf(t, append(bytes.Repeat([]byte("a"), 1<<20), ",b\n"...))
	bomb := bytes.Repeat(frame, 1000) // one after the other they are one stream
	list, err := csvfile.Open(t.Context(), find(t, "bomb.csv.zst", bomb), csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range list.Records(t.Context(), nil) {
		last = err
	}
	if !errors.Is(last, importers.ErrBomb) {
		t.Errorf("reading a bomb ended with %v", last)
	}
}

// endless writes a file of a sparse line between lines that are sound.
func endless(t *testing.T, before, after string, length int64) *importers.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "long.csv")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(before); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte(after), int64(len(before))+length); err != nil {
		t.Fatal(err)
	}
	return &importers.Source{Path: path, Name: "long.csv", Format: importers.FormatCSV}
}

// TestLongLine reads a file with a line of 2 GiB, in memory that is far less.
func TestLongLine(t *testing.T) { // not beside others: it looks at what was allocated
	src := endless(t, "a,b\n1,2\n3,", "\n5,6\n", 2<<30)
	var before, after runtime.MemStats
	for _, opts := range []csvfile.Options{{}, {AsApp: true}} {
		runtime.ReadMemStats(&before)
		got := look(t, src, opts)
		runtime.ReadMemStats(&after)
		same(t, "records", got.records, []string{"2@4 1|2", "4@2147483659 5|6"})
		if len(got.rejects) != 1 || !strings.HasPrefix(got.rejects[0], "3@8 : a line of more than 64 MiB") || len(got.rejects[0]) > 100<<10 {
			t.Errorf("rejects %.100q", got.rejects)
		}
		if len(got.gaps) != 1 || !strings.HasPrefix(got.gaps[0], "line 3: a line: ") {
			t.Errorf("gaps %.100q", got.gaps)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
			t.Errorf("%d MiB were allocated for it", used>>20)
		}
	}
}

// TestLongQuote reads a file with a quote that nothing closes for longer than a record may be.
func TestLongQuote(t *testing.T) {
	t.Parallel()
	count := 8 << 20
	if testing.Short() { // the race detector has nothing to see here, and makes each line dear
		count = 1 << 20
	}
	lines := strings.Repeat("some,text\n", count)
	src := source(t, "a,b\n1,\"x\n"+lines)
	list, err := csvfile.Open(t.Context(), src, csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var records, rejects int
	for _, err := range list.Records(t.Context(), func(*importers.Reject) error { rejects++; return nil }) {
		if err != nil {
			t.Fatal(err)
		}
		records++
	}
	if records != count || rejects != 1 || len(list.Gaps()) != 1 {
		t.Errorf("%d records, %d rejects, gaps %v", records, rejects, list.Gaps())
	}
}

// TestManyGaps keeps the first gaps, and counts the others.
func TestManyGaps(t *testing.T) {
	t.Parallel()
	src := source(t, "a,b\n"+strings.Repeat("1,\"x\n2,\"y\n", 500)+"3,4\n")
	got := look(t, src, csvfile.Options{})
	same(t, "records", got.records, []string{"1002@5004 3|4"})
	if len(got.rejects) != 1000 || len(got.gaps) != 101 || !strings.Contains(got.gaps[100], "900 more") {
		t.Errorf("%d rejects, %d gaps, the last %q", len(got.rejects), len(got.gaps), got.gaps[len(got.gaps)-1])
	}
}

// TestManyColumns reads as many columns as a sheet of Excel can have.
func TestManyColumns(t *testing.T) {
	t.Parallel()
	const columns = 16384
	var names, values []string
	for i := range columns {
		names, values = append(names, fmt.Sprintf("a column with number %d", i)), append(values, fmt.Sprint(i))
	}
	text := strings.Join(names, ",") + "\n" + strings.Join(values, ",") + "\n"
	for _, opts := range []csvfile.Options{{}, {AsApp: true}} {
		got := look(t, source(t, text), opts)
		if len(got.header) != columns || got.header[columns-1] != names[columns-1] {
			t.Fatalf("%d names", len(got.header))
		}
		same(t, "records", got.records, []string{fmt.Sprintf("2@%d ", len(strings.Join(names, ","))+1) + strings.Join(values, "|")})
	}
}

// TestEndsWhenTold stops in the middle, by the caller, the context and the rejects.
func TestEndsWhenTold(t *testing.T) {
	t.Parallel()
	src := source(t, "a,b\n1,2\n3\n"+strings.Repeat("5,6\n", 5000))
	list, err := csvfile.Open(t.Context(), src, csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range list.Records(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	full := errors.New("the disk is full")
	var last error
	for _, err := range list.Records(t.Context(), func(*importers.Reject) error { return full }) {
		last = err
	}
	if !errors.Is(last, full) {
		t.Errorf("a reject that could not be kept ended with %v", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range list.Records(ctx, nil) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("a read that was cancelled ended with %v", last)
	}
}

// TestAllocatesNothingPerRecord compares files of different lengths.
func TestAllocatesNothingPerRecord(t *testing.T) {
	allocations := func(rows int, opts csvfile.Options) float64 {
		src := inventory(t, rows)
		list, err := csvfile.Open(t.Context(), src, opts)
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(1, func() {
			for _, err := range list.Records(t.Context(), nil) {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	for _, opts := range []csvfile.Options{{}, {AsApp: true}} {
		if few, many := allocations(1000, opts), allocations(20000, opts); many > few+5 {
			t.Errorf("as app %v: %v allocations for 1000 records, %v for 20000", opts.AsApp, few, many)
		}
	}
}

// TestSwallowedLines tells of a record that takes so many lines that a quote in it may be closed in the wrong place.
func TestSwallowedLines(t *testing.T) {
	t.Parallel()
	got := look(t, source(t, "a,b\n1,\""+strings.Repeat("x,y\n", 150)+"\"\n2,3\n"), csvfile.Options{})
	if len(got.records) != 2 || len(got.remarks) != 1 || !strings.HasPrefix(got.remarks[0], "2 a record of 151 lines") {
		t.Errorf("%d records, remarks %q", len(got.records), got.remarks)
	}
}
