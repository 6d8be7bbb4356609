package discovery

import (
	"strconv"
	"testing"

	"github.com/google/uuid"
)

// Keys are found again however many there are, and the first asset keeps its key.
func TestSeenKeys(t *testing.T) {
	for _, ids := range []bool{false, true} {
		const n = 10_000
		s := newSeenKeys(10, ids) // it must grow
		id := func(i int) (id uuid.UUID) {
			id[0], id[1] = byte(i), byte(i>>8)
			return id
		}
		key := func(i int) keyHash { return s.hash([]byte("name=" + strconv.Itoa(i))) }
		for i := range n {
			if _, there := s.id(key(i)); there {
				t.Fatalf("key %d is there before it was put", i)
			}
			s.put(key(i), id(i))
			s.put(key(i/2), id(n)) // it has an asset
		}
		for i := range n {
			got, there := s.id(key(i))
			want := id(i)
			if !ids {
				want = uuid.Nil
			}
			if !there || got != want {
				t.Fatalf("ids %v: key %d: %v %v, want %v", ids, i, got, there, want)
			}
		}
	}
}
