package importers_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// tree writes files below a new folder.
func tree(tb testing.TB, files map[string]string) string {
	tb.Helper()
	root := tb.TempDir()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return root
}

// archive is a zip archive of members, in the order of their names.
func archive(tb testing.TB, members map[string]string) string {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		member, err := w.Create(name)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := member.Write([]byte(members[name])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func gzipped(tb testing.TB, content string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(content)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// ole is a compound file whose directory lies behind its first 64 KiB and names a stream.
func ole(stream string) string {
	b := make([]byte, 512*202)
	copy(b, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")
	binary.LittleEndian.PutUint16(b[30:], 9)
	binary.LittleEndian.PutUint32(b[48:], 200)
	for i, c := range []byte(stream) {
		b[201*512+2*i] = c
	}
	return string(b)
}

// page is a page of a relation with nothing on it.
func page() string {
	b := make([]byte, 8192)
	binary.LittleEndian.PutUint16(b[12:], 24)
	binary.LittleEndian.PutUint16(b[14:], 8192)
	binary.LittleEndian.PutUint16(b[16:], 8192)
	binary.LittleEndian.PutUint16(b[18:], 0x2004)
	return string(b)
}

// foundIn lists what was found below a folder: format and compression of each source.
func foundIn(root string, sources []*importers.Source) []string {
	var list []string
	for _, s := range sources {
		path, _ := filepath.Rel(root, s.Path)
		line := filepath.ToSlash(path)
		if s.Member != "" {
			line += ":" + s.Member
		}
		line += " " + string(s.Format)
		if s.Compression != "" {
			line += " " + s.Compression
		}
		list = append(list, line+" "+s.Name)
	}
	return list
}

func TestFindFolder(t *testing.T) {
	t.Parallel()
	const table = "a,b\n1,2\n"
	workbook := archive(t, map[string]string{"[Content_Types].xml": "", "xl/workbook.xml": ""})
	root := tree(t, map[string]string{
		"b.csv": table, "a.txt": "a;b\n1;2\n3;4\n", "sub/c.json": `[{"a":1}]`, "sub/d.ndjson": "{\"a\":1}\n{\"a\":2}\n", "noname": "a\tb\n1\t2\n",
		"excel.csv": workbook, "text.xlsx": table, "z.csv.gz": gzipped(t, table), "book.xlsx.gz": gzipped(t, workbook),
		"pack.zip":  archive(t, map[string]string{"x/b.csv": table, "a.json": "{}", "book.xlsx": workbook, "x/": "", "__MACOSX/x/._b.csv": "\x00", "note.md": "# a, b"}),
		"README.md": "some, text\nand, more\n", "app.log": "a,b\n", ".hidden.csv": table, ".git/x.csv": table, "~$book.xlsx": "x", "empty.csv": "", "b.csv.rejects.csv": table,
		"data/PG_VERSION": "15\n", "data/base/x.csv": table, "prose.txt": "no table,\njust words\n",
	})
	if err := os.Symlink(filepath.Join(root, "b.csv"), filepath.Join(root, "link.csv")); err != nil {
		t.Fatal(err)
	}
	trail := &evidence.Trail{}
	sources, skipped, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{root, filepath.Join(root, "b.csv")}, Trail: trail})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a.txt csv a.txt", "b.csv csv b.csv", "book.xlsx.gz xlsx gzip book.xlsx", "excel.csv xlsx excel.csv", "link.csv csv link.csv", "noname csv noname",
		"pack.zip:a.json json zip a.json", "pack.zip:book.xlsx xlsx zip book.xlsx", "pack.zip:x/b.csv csv zip b.csv",
		"sub/c.json json c.json", "sub/d.ndjson json d.ndjson", "text.xlsx csv text.xlsx", "z.csv.gz csv gzip z.csv",
	}
	if got := foundIn(root, sources); !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	reasons := make(map[string]string)
	for _, s := range skipped {
		path, _ := filepath.Rel(root, s.Path)
		reasons[filepath.ToSlash(path)+":"+s.Member] = s.Why
	}
	for place, why := range map[string]string{
		"README.md:": "no table", "app.log:": "no table", ".hidden.csv:": "hidden", ".git:": "hidden", "~$book.xlsx:": "office", "empty.csv:": "empty",
		"b.csv.rejects.csv:": "rejects", "data:": "data directory of PostgreSQL", "prose.txt:": "no table", "pack.zip:note.md": "no table",
	} {
		if !strings.Contains(reasons[place], why) {
			t.Errorf("%s was skipped because: %q, want %q", place, reasons[place], why)
		}
		delete(reasons, place)
	}
	if len(reasons) > 0 {
		t.Errorf("skipped too: %q", reasons)
	}
	if reads := trail.Reads(); len(reads) != 11 || reads[0].Kind != evidence.KindSource { // of 13 sources, 3 are in one file
		t.Errorf("the trail remembers %v", reads)
	}
}

// TestFindRefuses names files that are no sources, and looks at the reason and the way to convert.
func TestFindRefuses(t *testing.T) {
	t.Parallel()
	bad := archive(t, map[string]string{"a.csv": "a,b\n1,2\n"})
	locked := []byte(bad)
	for _, mark := range []string{"PK\x01\x02", "PK\x03\x04"} { // the flags of the member, in both of its headers
		at := bytes.Index(locked, []byte(mark))
		locked[at+map[string]int{"PK\x01\x02": 8, "PK\x03\x04": 6}[mark]] |= 1
	}
	for name, test := range map[string]struct{ content, why, hint string }{
		"old.xls":       {ole("Workbook"), "Excel 97", "convert-to xlsx"},
		"older.xls":     {ole("Book"), "Excel 97", "convert-to xlsx"},
		"secret.xlsx":   {ole("EncryptedPackage"), "password", "save it without one"},
		"letter.doc":    {ole("WordDocument"), "Word", "copy its table"},
		"what.xls":      {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "OLE compound file", ".xlsx or .csv"},
		"a.ods":         {archive(t, map[string]string{"content.xml": "", "META-INF/manifest.xml": ""}), "OpenDocument", "convert-to xlsx"},
		"a.xlsb":        {archive(t, map[string]string{"xl/workbook.bin": ""}), "xlsb", "save it as"},
		"a.docx":        {archive(t, map[string]string{"word/document.xml": ""}), "Word", "copy its table"},
		"a.numbers":     {archive(t, map[string]string{"Index/Document.iwa": ""}), "Numbers", "export"},
		"empty.zip":     {archive(t, nil), "without a file", ""},
		"locked.zip":    {string(locked), "password", "unpack the archive"},
		"cut.xlsx":      {bad[:len(bad)-30], "damaged", "another copy"},
		"a.pdf":         {"%PDF-1.7\n", "PDF", "export"},
		"a.png":         {"\x89PNG\r\n\x1a\n....", "image", ""},
		"a.exe":         {"MZ\x90\x00", "program", ""},
		"a.db":          {"SQLite format 3\x00", "SQLite", "sqlite3 -csv"},
		"a.dump":        {"PGDMP\x01", "dump", ""},
		"a.sql":         {"--\n-- PostgreSQL database dump\n--\n", "dump", ""},
		"a.parquet":     {"PAR1....", "Parquet", "DuckDB"},
		"a.tar":         {strings.Repeat("x", 257) + "ustar\x00", "tar", "unpack"},
		"a.tgz":         {gzipped(t, strings.Repeat("x", 257)+"ustar\x00"), "tar", "unpack"},
		"twice.gz":      {gzipped(t, gzipped(t, "a,b\n")), "more than once", "decompress"},
		"cut.csv.gz":    {gzipped(t, "a,b\n")[:5], "damaged", "another copy"},
		"16384":         {page(), "relation", "pgrescue heap"},
		"00000001":      {"\x16\xD1\x06\x00" + strings.Repeat("\x00", 60), "WAL", "pgrescue wal"},
		"page.xls":      {"<html><table><tr><td>1</td></tr></table></html>", "HTML", "save it as"},
		"a.xml":         {"<?xml version=\"1.0\"?><a/>", "XML", "convert"},
		"run.sh":        {"#!/bin/sh\necho a,b\n", "script", ""},
		"server.csv":    {"2025-10-07 12:00:00.123 UTC,\"app\",\"app\",4711,\"10.0.0.1:1\",68e501a0.1267,1,\"SELECT\",x\n", "csvlog", "pgrescue logs"},
		"binary.csv":    {strings.Repeat("\x00\x01\x02\x03\x7f", 100), "binary", ""},
		"zeroes.csv":    {strings.Repeat("\x00", 4096), "binary", ""},
		"blank.csv":     {" \r\n\n\t\n", "blank lines", ""},
		"empty.json":    {"", "empty", ""},
		"utf32.csv":     {"\xff\xfe\x00\x00a\x00\x00\x00,\x00\x00\x00", "UTF-32", "iconv"},
		"encrypted.csv": {"Salted__abcdefgh", "encrypted", "decrypt"},
	} {
		path := filepath.Join(tree(t, map[string]string{name: test.content}), name)
		sources, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{path}})
		if !errors.Is(err, importers.ErrUnreadable) {
			t.Errorf("%s: %d sources, error %v", name, len(sources), err)
			continue
		}
		var told *evidence.Error
		if !errors.As(err, &told) || !strings.HasPrefix(told.Place, path) {
			t.Errorf("%s: the error has the place %q", name, told.Place)
		}
		if !strings.Contains(told.Err.Error(), test.why) || !strings.Contains(told.Hint, test.hint) {
			t.Errorf("%s: %q, hint %q; want %q, %q", name, told.Err, told.Hint, test.why, test.hint)
		}
		// In a folder the same is skipped.
		sources, skipped, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{filepath.Dir(path)}})
		if err != nil || len(sources) != 0 || len(skipped) != 1 {
			t.Errorf("%s in a folder: %v, %v, %v", name, sources, skipped, err)
		}
	}
}

func TestFindTellsTextsApart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		format  importers.Format
	}{
		"a.csv":       {"name\nweb\n", importers.FormatCSV},
		"list.log":    {"one column\n", importers.FormatCSV}, // it was named
		"wide.csv":    {"\xff\xfea\x00;\x00b\x00\n\x00", importers.FormatCSV},
		"latin.txt":   {"a;b\nM\xfcller;1\n", importers.FormatCSV},
		"a.data":      {"  \n[\n  {\"a\": 1}\n]", importers.FormatJSON},
		"mark.json":   {"\ufeff{\"a\": 1}", importers.FormatJSON},
		"wide.json":   {"\xfe\xff\x00{\x00}", importers.FormatJSON},
		"cut.json":    {`[{"a": 1}, {"a"`, importers.FormatJSON},
		"broken.json": {`[{"a": 1}, {"a": 2]`, importers.FormatJSON},
		"ini.csv":     {"[section]\nkey,value\n", importers.FormatCSV},
		"brace.csv":   {"{a},b\n1,2\n", importers.FormatCSV},
		"header.csv":  {"a,b,c\n", importers.FormatCSV},
	} {
		root := tree(t, map[string]string{name: test.content})
		sources, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{filepath.Join(root, name)}})
		if err != nil || len(sources) != 1 || sources[0].Format != test.format {
			t.Errorf("%s: %v, %v, want %s", name, foundIn(root, sources), err, test.format)
		}
	}
}

func TestFindMissing(t *testing.T) {
	t.Parallel()
	_, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{filepath.Join(t.TempDir(), "none.csv")}})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	if _, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{os.DevNull}}); !errors.Is(err, evidence.ErrNotRegular) {
		t.Errorf("a device: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := importers.Find(ctx, importers.FindOptions{Paths: []string{t.TempDir()}}); !errors.Is(err, context.Canceled) {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// FuzzFind looks at any bytes, as a file that was named and in a folder: what is no source must have a reason, and what is one can be read to its end.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", `[{"a":1}]`, "{\"a\":1}\n{", archive(f, map[string]string{"a.csv": "a,b\n1,2\n", "b.json": "[]"}), gzipped(f, "a,b\n1,2\n"), ole("Workbook"), page(),
		archive(f, map[string]string{"in.zip": archive(f, map[string]string{"xl/workbook.xml": ""})}), "\xff\xfea\x00,\x00", "%PDF-", "sep=;\na;b\n", "\x28\xb5\x2f\xfd",
	} {
		f.Add([]byte(seed), "name.csv")
		f.Add([]byte(seed), "name")
	}
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte, name string) {
		if len(name) > 64 || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") || name == "" || name == "PG_VERSION" {
			return
		}
		path := filepath.Join(root, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(path)
		sources, skipped, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{root}})
		if err != nil || len(sources)+len(skipped) == 0 {
			t.Fatalf("in a folder: %d sources, %d skipped, error %v", len(sources), len(skipped), err)
		}
		for _, s := range skipped {
			if s.Path != path || s.Why == "" {
				t.Fatalf("skipped without a reason: %+v", s)
			}
		}
		named, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{path}})
		if err != nil && !errors.Is(err, importers.ErrUnreadable) || err == nil && len(named) < len(sources) {
			t.Fatalf("named: %d sources, in a folder %d, error %v", len(named), len(sources), err)
		}
		for _, source := range named {
			if err := source.Hash(t.Context(), nil); err != nil && !errors.Is(err, importers.ErrDamaged) && !errors.Is(err, importers.ErrBomb) {
				t.Fatalf("%s: %v", source.Place(), err)
			}
		}
	})
}
