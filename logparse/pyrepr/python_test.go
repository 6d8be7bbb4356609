package pyrepr_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/pyrepr"
)

// checkPython compares what was read of reprs with what Python says that they are.
func checkPython(t *testing.T, lines []string) {
	t.Helper()
	if len(lines) < 20 {
		t.Fatalf("Python printed %d lines", len(lines))
	}
	spelled := map[string]string{"True": "t", "None": "NULL", "3 days, 0:00:04": "3 days 00:00:04"}
	for _, line := range lines {
		var pair [2]any
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&pair); err != nil {
			t.Fatal(err)
		}
		repr, want := fmt.Sprint(pair[0]), fmt.Sprint(pair[1])
		value, n, err := pyrepr.Parse(repr)
		if err != nil || n != len(repr) || value.Cut {
			t.Errorf("%s: %d of %d bytes, cut %v, %v", repr, n, len(repr), value.Cut, err)
			continue
		}
		if value.Kind == pyrepr.Dict {
			if fmt.Sprint(len(value.Items)/2) != want {
				t.Errorf("%d items of %s", len(value.Items)/2, want)
			}
			continue
		}
		if other, ok := spelled[want]; ok {
			want = other
		}
		if got := shown(&value); got != want {
			t.Errorf("%s\n got %q\nwant %q", repr, got, want)
		}
	}
}
