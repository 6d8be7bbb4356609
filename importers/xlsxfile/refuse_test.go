package xlsxfile

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// oldFile is a compound file, as Excel wrote them before 2007, whose directory names a stream.
func oldFile(stream string, directory int) []byte {
	file := make([]byte, 512*(directory+2))
	copy(file, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	binary.LittleEndian.PutUint16(file[0x1e:], 9)
	binary.LittleEndian.PutUint32(file[0x30:], uint32(directory))
	for i := range len(stream) {
		file[512*(directory+1)+2*i] = stream[i] // a name is UTF-16
	}
	return file
}

func TestOtherFilesAreRefused(t *testing.T) {
	t.Parallel()
	protected := filepath.Join(t.TempDir(), "protected.xlsx")
	file := rowsBook(t, []any{"Name"}, []any{"a"})
	if err := file.SaveAs(protected, excelize.Options{Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		want error
		hint string
	}{
		"protected by excelize": {protected, ErrPassword, "take the password away"},
		"protected":             {write(t, "p.xlsx", oldFile("EncryptedPackage", 300)), ErrPassword, "take the password away"},
		"xls":                   {write(t, "old.xlsx", oldFile("Workbook", 1)), ErrOldExcel, "--convert-to xlsx"},
		"short xls":             {write(t, "short.xlsx", oldFile("Workbook", 1)[:100]), ErrOldExcel, "--convert-to xlsx"},
		"ods": {pack(t, []aPart{
			{"mimetype", []byte("application/vnd.oasis.opendocument.spreadsheet")}, {"content.xml", []byte("<a/>")},
		}), ErrODS, "--convert-to xlsx"},
		"xlsb":         {pack(t, []aPart{{"xl/workbook.bin", []byte("x")}}), ErrBinary, "--convert-to xlsx"},
		"any archive":  {pack(t, []aPart{{"notes.txt", []byte("x")}}), errNoWorkbook, ""},
		"empty file":   {write(t, "empty.xlsx", nil), ErrNotExcel, "the file is empty"},
		"text":         {write(t, "text.xlsx", []byte("Name,Site\n")), ErrNotExcel, ""},
		"no such file": {filepath.Join(t.TempDir(), "none.xlsx"), os.ErrNotExist, ""},
		"no sheets": {change(t, skeleton(t), "xl/workbook.xml", func([]byte) []byte {
			return []byte("<workbook><sheets/></workbook>")
		}), errNoSheets, ""},
		"workbook cut": {change(t, skeleton(t), "xl/workbook.xml", func(text []byte) []byte { return text[:len(text)-20] }), importers.ErrUnreadable, ""},
	} {
		book, err := Open(t.Context(), sourceOf(c.path), Options{})
		var told *evidence.Error
		if book != nil || !errors.Is(err, c.want) || !errors.As(err, &told) || !strings.Contains(told.Hint, c.hint) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: error %v (hint %v), expected %v", name, err, told, c.want)
		}
		if errors.Is(err, importers.ErrUnreadable) == errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the kind of error %v is wrong", name, err)
		}
	}
}

// TestEmptySheet: a sheet without a value has no list, and is told of.
func TestEmptySheet(t *testing.T) {
	t.Parallel()
	for name, sheet := range map[string]string{
		"no rows":         `<worksheet ` + mainSpace + `><sheetData/></worksheet>`,
		"rows of nothing": `<worksheet ` + mainSpace + `><sheetData><row r="1"><c r="A1" s="1"/></row><row r="2"/></sheetData></worksheet>`,
		"no sheetData":    `<worksheet ` + mainSpace + `/>`,
	} {
		book := openBook(t, withSheet(t, sheet), Options{})
		if lists, infos := book.Lists(), book.Sheets(); len(lists) != 0 || len(infos) != 1 || !infos[0].Empty {
			t.Errorf("%s: %d lists, sheets %+v", name, len(lists), infos)
		}
	}
	list := theList(t, save(t, rowsBook(t, []any{"Name", "Site"})), Options{})
	if records, _ := readAll(t, list); len(records) != 0 || len(list.Head().Header) != 2 {
		t.Errorf("header alone: %q below %q", records, list.Head().Header)
	}
}

func TestCompressedBooks(t *testing.T) {
	t.Parallel()
	plain := thousand(t)
	content, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	var squeezed bytes.Buffer
	w := gzip.NewWriter(&squeezed)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want, _ := readAll(t, theList(t, plain, Options{}))
	for name, path := range map[string]string{
		"gzip": write(t, "book.xlsx.gz", squeezed.Bytes()),
		"zip":  pack(t, []aPart{{"folder/book.xlsx", content}, {"readme.txt", []byte("x")}}),
	} {
		var trail evidence.Trail
		sources, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		book, err := Open(t.Context(), sources[0], Options{Trail: &trail})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := readAll(t, book.Lists()[0])
		equalLines(t, name, got, want...)
		if reads := trail.Reads(); len(reads) != 1 || reads[0].Path != path || reads[0].Kind != evidence.KindSource {
			t.Errorf("%s: the trail holds %+v", name, reads)
		}
		if err := book.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	path := bigBook(t, t.TempDir(), 3000, false)
	ctx, cancel := context.WithCancel(t.Context())
	looked := 0
	_, err := Open(ctx, sourceOf(path), Options{Progress: func(done, total int64) {
		if looked++; done > total {
			t.Errorf("%d bytes of %d", done, total)
		}
		cancel()
	}})
	if !errors.Is(err, context.Canceled) || looked == 0 {
		t.Errorf("error %v after %d steps", err, looked)
	}
	list := theList(t, path, Options{})
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range list.Records(ctx, nil) {
		if n++; n == 10 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || n > 2000 {
		t.Errorf("error %v after %d records", last, n)
	}
}

// TestChangedFile: what is read must be what the guard saw.
func TestChangedFile(t *testing.T) {
	t.Parallel()
	path := bigBook(t, t.TempDir(), 3000, false)
	list := theList(t, path, Options{})
	list.survey.elements++
	var last error
	for _, err := range list.Records(t.Context(), nil) {
		last = err
	}
	if !errors.Is(last, errChanged) || !strings.Contains(last.Error(), `sheet "Sheet1"`) {
		t.Errorf("error %v", last)
	}
}

// TestStringsInAFile: shared strings that are too long for memory are read from a file.
func TestStringsInAFile(t *testing.T) {
	t.Parallel()
	st := &sharedStrings{}
	text := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), 1+i*7919%3000) }
	const many = 80_000
	for i := range many {
		if err := st.add([]byte(text(i))); err != nil {
			t.Fatal(err)
		}
	}
	if st.file == nil {
		t.Fatal("all are in memory: the test is about nothing")
	}
	defer func() {
		if err := st.close(); err != nil {
			t.Error(err)
		}
	}()
	for i := range many {
		at := i * 7907 % many
		got, err := st.at(at)
		if err != nil || string(got) != text(at) {
			t.Fatalf("string %d has %d bytes, error %v; expected %d", at, len(got), err, len(text(at)))
		}
	}
	if err := st.add(make([]byte, textBlock)); err == nil {
		t.Error("a string of a whole block was taken")
	}
	kept := 0
	for _, block := range st.blocks {
		kept += cap(block)
	}
	if limit := (keptBlocks + 1) * textBlock; kept > limit {
		t.Errorf("%d bytes are in memory, limit %d", kept, limit)
	}
}
