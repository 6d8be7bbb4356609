package xlsxfile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// aPart is a part of an archive with its name.
type aPart struct {
	name string
	text []byte
}

// unpack reads all parts of an archive.
func unpack(t testing.TB, path string) []aPart {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var parts []aPart
	for _, file := range archive.File {
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, aPart{file.Name, text})
	}
	return parts
}

// pack writes parts into an archive whose checksums are right.
func pack(t testing.TB, parts []aPart) string {
	t.Helper()
	return packAt(t, flate.BestSpeed, parts)
}

func packAt(t testing.TB, level int, parts []aPart) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "packed.xlsx")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(file)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, level) })
	for _, part := range parts {
		w, err := archive.Create(part.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(part.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	sheetPartName   = "xl/worksheets/sheet1.xml"
	stringsPartName = "xl/sharedStrings.xml"
)

// change packs the archive again with one part changed.
func change(t testing.TB, path, name string, how func([]byte) []byte) string {
	t.Helper()
	return pack(t, changed(t, path, name, how))
}

func changed(t testing.TB, path, name string, how func([]byte) []byte) []aPart {
	t.Helper()
	parts := unpack(t, path)
	for i := range parts {
		if parts[i].name == name {
			parts[i].text = how(bytes.Clone(parts[i].text))
			return parts
		}
	}
	t.Fatalf("the archive has no part %s", name)
	return nil
}

// replace is a change of one text, which must be there.
func replace(t testing.TB, path, name, from, to string) string {
	t.Helper()
	return change(t, path, name, func(text []byte) []byte {
		if !bytes.Contains(text, []byte(from)) {
			t.Fatalf("part %s does not hold %s", name, from)
		}
		return bytes.Replace(text, []byte(from), []byte(to), 1)
	})
}

// withSheet is a workbook of excelize's whose sheet is the text given.
func withSheet(t testing.TB, sheet string) string {
	t.Helper()
	return change(t, skeleton(t), sheetPartName, func([]byte) []byte { return []byte(sheet) })
}
