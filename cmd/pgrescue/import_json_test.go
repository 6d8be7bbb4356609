package main

import (
	"reflect"
	"strings"
	"testing"
)

// TestReadmeNamesImportFields: every field of `import --json` is in the README's tables.
func TestReadmeNamesImportFields(t *testing.T) {
	t.Parallel()
	readme, _ := readDocument(t, "README.md")
	_, section, _ := strings.Cut(readme, "`--json` prints one object:")
	section = before(section, "\n## ")
	seen := 0
	for _, value := range []any{importOut{}, importFile{}, importTable{}, importColumn{}, importDifference{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(value)) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			seen++
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("README.md does not name the field %q of %T", name, value)
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d fields were looked for", seen)
	}
}
