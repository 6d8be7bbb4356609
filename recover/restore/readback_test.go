package restore

import (
	"bytes"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Rows are read back in groups that are bounded in number and in size.
func TestGroupsOfRowsAreBounded(t *testing.T) {
	t.Parallel()
	small := []evidence.Value{{Text: []byte("1")}}
	large := []evidence.Value{{Text: bytes.Repeat([]byte("x"), readBytes/4)}}
	for _, test := range []struct {
		key, kept []evidence.Value
		want      int
	}{{small, small, readBatch}, {small, large, 4}, {large, small, 4}} {
		r := newReader(nil, &place{columns: []placeColumn{{name: "k"}}, key: []int{0}}, false)
		for !r.full() {
			r.key(test.key, test.kept)
		}
		if r.count != test.want {
			t.Errorf("a key of %d bytes with %d kept: %d rows are a group, want %d", len(test.key[0].Text), len(test.kept[0].Text), r.count, test.want)
		}
		if r.reset(); r.full() || r.count != 0 {
			t.Error("a new group is not empty")
		}
	}
}

// Array literals hold any text.
func TestAppendElement(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": `""`, "NULL": `"NULL"`, `a"b\c`: `"a\"b\\c"`, "{,}": `"{,}"`, "\n\t é": "\"\n\t é\""} {
		if got := string(appendElement(nil, &evidence.Value{Text: []byte(text)})); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	if got := string(appendElement(nil, &evidence.Value{State: evidence.Null})); got != "NULL" {
		t.Errorf("NULL: got %s", got)
	}
}
