package logparse

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// folder writes files; a name that ends in .gz is compressed.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		content := []byte(text)
		if strings.HasSuffix(name, ".gz") {
			content = gzipped(t, text)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// day is a log of one day: a line in the morning and one in the evening.
func day(date string) string {
	return date + " 06:00:00.000 UTC [1] LOG:  " + date + " a\n" + date + " 18:00:00.000 UTC [1] LOG:  " + date + " b\n"
}

func TestRotatedFilesAreOneSource(t *testing.T) {
	t.Parallel()
	six, seven, eight := day("2025-10-06"), day("2025-10-07"), day("2025-10-08")
	tests := []struct {
		name  string
		files map[string]string
		want  [][]string // the paths of each source
	}{
		{"numbers", map[string]string{"a.log": eight, "a.log.1": seven, "a.log.2.gz": six}, [][]string{{"a.log.2.gz", "a.log.1", "a.log"}}},
		{"ten of them", map[string]string{"a.log.9": seven, "a.log.10": six, "a.log": eight}, [][]string{{"a.log.10", "a.log.9", "a.log"}}},
		{"dates behind", map[string]string{"a.log": eight, "a.log-20251007": seven, "a.log-20251006.gz": six}, [][]string{{"a.log-20251006.gz", "a.log-20251007", "a.log"}}},
		{"Python", map[string]string{"a.log": eight, "a.log.2025-10-07": seven, "a.log.2025-10-06": six}, [][]string{{"a.log.2025-10-06", "a.log.2025-10-07", "a.log"}}},
		{"Kubernetes", map[string]string{"c/0.log": eight, "c/0.log.20251007-000000": seven, "c/0.log.20251006-000000.gz": six}, [][]string{{"c/0.log.20251006-000000.gz", "c/0.log.20251007-000000", "c/0.log"}}},
		{
			"PostgreSQL",
			map[string]string{"postgresql-2025-10-06_000000.log": six, "postgresql-2025-10-07_000000.log": seven, "postgresql-2025-10-07_000000.csv": seven},
			[][]string{{"postgresql-2025-10-06_000000.log", "postgresql-2025-10-07_000000.log"}, {"postgresql-2025-10-07_000000.csv"}},
		},
		{"days of the week", map[string]string{"postgresql-Mon.log": six, "postgresql-Tue.log": seven, "postgresql-Wed.log": eight}, [][]string{{"postgresql-Mon.log", "postgresql-Tue.log", "postgresql-Wed.log"}}},
		{"the week begins anew", map[string]string{"postgresql-Mon.log": eight, "postgresql-Tue.log": six, "postgresql-Sun.log": seven}, [][]string{{"postgresql-Tue.log", "postgresql-Sun.log", "postgresql-Mon.log"}}},
		{"two servers", map[string]string{"a.1.log": seven, "a.2.log": seven}, [][]string{{"a.1.log"}, {"a.2.log"}}},
		{"two servers that number at the end", map[string]string{"a.1": seven, "a.2": strings.ReplaceAll(seven, "[1]", "[2]")}, [][]string{{"a.1"}, {"a.2"}}},
		{"numbers in the middle", map[string]string{"a.1.log": six, "a.2.log": seven, "a.log": eight}, [][]string{{"a.1.log", "a.2.log", "a.log"}}},
		{"there twice", map[string]string{"a.log": eight, "a.log.1": seven, "a.log.1.gz": seven}, [][]string{{"a.log.1", "a.log"}}},
		{"another wrapper", map[string]string{"a.log": "2025-10-08T06:00:00.123456789Z x\n", "a.log.1": seven}, [][]string{{"a.log"}, {"a.log.1"}}},
		{"other logs", map[string]string{"a.log": seven, "b.log": seven}, [][]string{{"a.log"}, {"b.log"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, test.files)
			sources, _, err := Find(context.Background(), FindOptions{Paths: []string{dir}})
			if err != nil {
				t.Fatal(err)
			}
			var got [][]string
			for _, source := range sources {
				var paths []string
				for _, path := range source.Paths {
					relative, err := filepath.Rel(dir, path)
					if err != nil {
						t.Fatal(err)
					}
					paths = append(paths, filepath.ToSlash(relative))
				}
				got = append(got, paths)
			}
			if !slices.EqualFunc(got, test.want, slices.Equal[[]string]) {
				t.Errorf("sources %q, want %q", got, test.want)
			}
		})
	}
}

func TestPlaceIsWithinTheFile(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.log": day("2025-10-08"), "a.log.1.gz": day("2025-10-07")})
	sources, _, err := Find(context.Background(), FindOptions{Paths: []string{dir}})
	if err != nil || len(sources) != 1 {
		t.Fatal(sources, err)
	}
	var got []string
	for line, err := range sources[0].Lines(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		place := line.Place(1)
		got = append(got, strings.TrimPrefix(place.String(), dir+string(filepath.Separator))+" "+string(line.Text[:10]))
		if (line.Number == 1) != (line.Offset == 0) {
			t.Errorf("line %d at offset %d", line.Number, line.Offset)
		}
	}
	want := []string{"a.log.1.gz:1 2025-10-07", "a.log.1.gz:2 2025-10-07", "a.log:1 2025-10-08", "a.log:2 2025-10-08"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
