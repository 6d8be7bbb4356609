package redo

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// TestStoreKeepsPages puts, changes, drops and reads pages at random, many more
// than the store may keep in memory, and compares with a map.
func TestStoreKeepsPages(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 4, 7, 64} {
		s := newStore(limit, t.TempDir())
		want := make(map[int][]byte)
		random := rand.New(rand.NewPCG(1, uint64(limit))) //nolint:gosec // a repeatable test
		for step := range 20_000 {
			n := random.IntN(120)
			switch kept, known := want[n]; {
			case !known:
				p, err := s.make(n)
				if err != nil {
					t.Fatal(err)
				}
				fillPage(p, n, step)
				want[n] = bytes.Clone(p)
			case random.IntN(8) == 0:
				s.drop(n)
				delete(want, n)
			default:
				p, err := s.get(n)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(p, kept) {
					t.Fatalf("limit %d, step %d: page %d is another one", limit, step, n)
				}
				if random.IntN(2) == 0 {
					fillPage(p, n, step)
					want[n] = bytes.Clone(p)
				}
			}
			if inMemory := residentPages(s); inMemory > s.limit {
				t.Fatalf("%d pages in memory, the limit is %d", inMemory, s.limit)
			}
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

func fillPage(p page, n, step int) {
	for at := 0; at < pg.BlockSize; at += 16 {
		le.PutUint64(p[at:], uint64(n))
		le.PutUint64(p[at+8:], uint64(step))
	}
}

func residentPages(s *store) int {
	pages := 0
	for i := range s.pages {
		if s.pages[i].page != nil {
			pages++
		}
	}
	return pages
}
