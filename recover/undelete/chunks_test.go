package undelete

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// TestChunkStore puts values together from chunks that come twice, out of order,
// from two databases with the same OIDs, and with other data for the same place.
func TestChunkStore(t *testing.T) {
	t.Parallel()
	type put struct {
		database, value pg.OID
		seq             int32
		data            string
	}
	for _, test := range []struct {
		name  string
		puts  []put
		want  string
		err   error
		ofDB2 string
	}{
		{name: "whole", puts: []put{{1, 9, 0, "ab"}, {1, 9, 1, "c"}}, want: "abc"},
		{name: "out of order", puts: []put{{1, 9, 1, "c"}, {1, 9, 0, "ab"}}, want: "abc"},
		{name: "twice the same", puts: []put{{1, 9, 0, "ab"}, {1, 9, 1, "c"}, {1, 9, 0, "ab"}, {1, 9, 1, "c"}, {1, 9, 1, "c"}}, want: "abc"},
		{name: "first missing", puts: []put{{1, 9, 1, "c"}}, err: errChunks},
		{name: "middle missing", puts: []put{{1, 9, 0, "a"}, {1, 9, 2, "bc"}}, err: errChunks},
		{name: "too long", puts: []put{{1, 9, 0, "ab"}, {1, 9, 1, "cd"}}, err: errChunks},
		{name: "id used twice", puts: []put{{1, 9, 0, "ab"}, {1, 9, 1, "c"}, {1, 9, 0, "xy"}}, err: errDiffer},
		{name: "id used twice, told late", puts: []put{{1, 9, 1, "c"}, {1, 9, 1, "c"}, {1, 9, 1, "z"}, {1, 9, 0, "ab"}}, err: errDiffer},
		{
			name:  "template database",
			puts:  []put{{1, 9, 0, "ab"}, {2, 9, 0, "xy"}, {1, 9, 1, "c"}, {2, 9, 1, "z"}},
			want:  "abc",
			ofDB2: "xyz",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := chunkStore{spool: &spool{budget: 1 << 20}}
			for _, p := range test.puts {
				if err := c.keep(valueKey{p.database, 5, p.value}, p.seq, []byte(p.data)); err != nil {
					t.Fatal(err)
				}
			}
			c.sort()
			c.sort() // what was found out stays so
			for database, want := range map[pg.OID]string{1: test.want, 2: test.ofDB2} {
				if database == 2 && want == "" {
					continue
				}
				c.database = database
				got, err := c.Fetch(heap.ToastPointer{ToastRelation: 5, ValueID: 9, ExtSize: 3})
				if !errors.Is(err, test.err) || !bytes.Equal(got, []byte(want)) {
					t.Errorf("database %d: %q, %v; want %q, %v", database, got, err, want, test.err)
				}
			}
		})
	}
}
