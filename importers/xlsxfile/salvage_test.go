package xlsxfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
)

// excelOrder is the order in which Excel itself writes the parts.
func excelOrder(parts []aPart) []aPart {
	rank := func(p aPart) int {
		order := []string{"[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", stringsPartName, "xl/styles.xml", sheetPartName}
		if n := slices.Index(order, p.name); n >= 0 {
			return n
		}
		return 3
	}
	slices.SortStableFunc(parts, func(a, b aPart) int { return rank(a) - rank(b) })
	return parts
}

// packKnown packs parts with their lengths before them, as Excel does.
func packKnown(t testing.TB, parts []aPart) string {
	t.Helper()
	unknown, err := os.ReadFile(pack(t, parts))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(unknown), int64(len(unknown)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, part := range archive.File {
		header := part.FileHeader
		header.Flags &^= sizesFollow
		raw, err := part.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		to, err := w.CreateRaw(&header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(to, raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return write(t, "known.xlsx", out.Bytes())
}

// TestCutFile cuts a workbook at every fortieth of it, as a download can be. What is before the
// cut is read, and nothing is silently less.
func TestCutFile(t *testing.T) {
	t.Parallel()
	parts := excelOrder(unpack(t, thousand(t)))
	for name, path := range map[string]string{"lengths behind": pack(t, parts), "lengths before": packKnown(t, parts)} {
		want, _ := readAll(t, theList(t, path, Options{}))
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for i := 1; i < 40; i++ {
			book, err := Open(t.Context(), sourceOf(write(t, "cut.xlsx", content[:len(content)*i/40])), Options{})
			if err != nil {
				if !errors.Is(err, importers.ErrUnreadable) {
					t.Errorf("%s, %d/40: %v", name, i, err)
				}
				continue
			}
			for _, list := range book.Lists() {
				got, _ := readAll(t, list)
				if len(list.Gaps()) < 1 || len(got) < len(want) && len(list.Gaps()) < 2 {
					t.Errorf("%s, %d/40: gaps %v", name, i, list.Gaps())
				}
				for n := range got {
					if plain, _, _ := strings.Cut(got[n], " # "); plain != want[n] {
						t.Fatalf("%s, %d/40: %s, expected %s", name, i, got[n], want[n])
					}
				}
				if len(got) < len(want) {
					most = max(most, len(got))
				}
			}
			if err := book.Close(); err != nil {
				t.Error(err)
			}
		}
		if most < 800 {
			t.Errorf("%s: at most %d records of %d were read", name, most, len(want))
		}
	}
}

// TestListIsLost: only the list of the parts is missing, and all of them are there.
func TestListIsLost(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"lengths behind": thousand(t), "lengths before": packKnown(t, unpack(t, thousand(t)))} {
		want, _ := readAll(t, theList(t, path, Options{}))
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n := bytes.Index(content, directoryMark)
		list := theList(t, write(t, "cut.xlsx", content[:n+20]), Options{})
		got, _ := readAll(t, list)
		equalLines(t, name, got, want...)
		hasLine(t, gapsOf(list), "the list of the archive's parts", "parts were found by looking for them")
		if gaps := gapsOf(list); len(gaps) != 1 {
			t.Errorf("%s: gaps %q", name, gaps)
		}
		// A checksum is compared where it is known.
		content[bytes.Index(content, []byte(sheetPartName))+len(sheetPartName)+200] ^= 1
		list = theList(t, write(t, "cut.xlsx", content[:n+20]), Options{})
		if gaps := gapsOf(list); len(gaps) < 2 {
			t.Errorf("%s, damaged: gaps %q", name, gaps)
		}
	}
}

// TestWorkbookPartIsLost: the sheets are there, and not what names them.
func TestWorkbookPartIsLost(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(packKnown(t, unpack(t, thousand(t))))
	if err != nil {
		t.Fatal(err)
	}
	content = bytes.ReplaceAll(content[:bytes.Index(content, directoryMark)], []byte("xl/workbook.xml"), []byte("xl/workbook.xxx"))
	list := theList(t, write(t, "cut.xlsx", content), Options{})
	if got, _ := readAll(t, list); len(got) != 999 || list.Head().Part != "sheet1" {
		t.Errorf("%d records of sheet %s", len(got), list.Head().Part)
	}
	hasLine(t, gapsOf(list), "the workbook's own part", "the archive holds no workbook")
}

// FuzzContainer opens any bytes as a book.
func FuzzContainer(f *testing.F) {
	for _, path := range []string{skeleton(f), packKnown(f, unpack(f, skeleton(f)))} {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
		f.Add(content[:len(content)-30])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		parts, err := openContainer(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		b := &Book{source: sourceOf("fuzz.xlsx"), parts: parts}
		if b.workbook, err = readWorkbook(parts); err != nil {
			return
		}
		b.styles = readStyles(parts, b.workbook.stylesPart)
		if b.strings, err = readSharedStrings(parts, b.workbook.stringsPart); err != nil {
			t.Fatal(err)
		}
		if err := b.surveySheets(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, list := range b.lists {
			for _, err := range list.Records(t.Context(), func(*importers.Reject) error { return nil }) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestCutFileIsFound: a workbook that was cut is a source all the same.
func TestCutFileIsFound(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(pack(t, excelOrder(unpack(t, thousand(t)))))
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, "cut.xlsx", content[:len(content)*9/10])
	sources, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{path}})
	if err != nil || len(sources) != 1 || sources[0].Format != importers.FormatXLSX {
		t.Fatalf("sources %v, error %v", sources, err)
	}
}
