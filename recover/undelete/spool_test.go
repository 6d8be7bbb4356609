package undelete

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestSpoolGivesBack reads strings back that were added before and beyond the
// budget, in any order, while others are still added.
func TestSpoolGivesBack(t *testing.T) {
	t.Parallel()
	for _, budget := range []int{0, 1, spoolSlab, 3*spoolSlab + 5} {
		s := spool{budget: budget}
		random := rand.New(rand.NewPCG(7, uint64(budget))) //nolint:gosec // a repeatable test
		var refs []ref
		var want [][]byte
		reader := spoolReader{spool: &s}
		for i := range 20_000 {
			b := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, random.IntN(300))
			if i%5000 == 4999 {
				b = bytes.Repeat([]byte{byte(i >> 8)}, spoolSlab+i) // longer than a slab
			}
			r, err := s.add(b)
			if err != nil {
				t.Fatal(err)
			}
			refs, want = append(refs, r), append(want, b)
			if i%7 != 0 {
				continue
			}
			at := random.IntN(len(refs))
			got, err := reader.get(refs[at])
			if err != nil {
				t.Fatalf("budget %d, string %d: %v", budget, at, err)
			}
			if !bytes.Equal(got, want[at]) {
				t.Fatalf("budget %d: string %d of %d bytes is another one", budget, at, len(want[at]))
			}
		}
		if budget == 0 && s.file == nil {
			t.Error("nothing went to the file")
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
