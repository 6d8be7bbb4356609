package discovery

import (
	"hash/maphash"
	"math/bits"

	"github.com/google/uuid"
)

// seenKeys are the keys of the assets that were made so far: not their texts, of which a large file has
// too many for memory, but 95 bits of hashes that are other ones in each run. That two keys of ten million
// have them in common happens once in 10^15 files.
type seenKeys struct {
	seeds [2]maphash.Seed
	slots []keyHash
	ids   []uuid.UUID // of the assets, beside slots; nil: nobody asks for them
	taken int
}

// keyHash is what is kept of a key; zero: the slot is free.
type keyHash [3]uint32

// newSeenKeys has room for as many keys as the records of a list have; more make more room.
func newSeenKeys(keys int64, ids bool) *seenKeys {
	s := &seenKeys{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	s.make(int(keys)+keyRoom, ids)
	return s
}

// keyRoom is the least number of keys that there is room for.
const keyRoom = 64

// make makes slots of which a quarter stays free.
func (s *seenKeys) make(keys int, ids bool) {
	s.slots = make([]keyHash, keys+keys/3)
	if ids {
		s.ids = make([]uuid.UUID, len(s.slots))
	}
}

func (s *seenKeys) hash(key []byte) keyHash {
	h := maphash.Bytes(s.seeds[0], key)
	return keyHash{uint32(h), uint32(h >> 32), uint32(maphash.Bytes(s.seeds[1], key)) | 1}
}

// find is the slot of a key, or the free one where it belongs.
func (s *seenKeys) find(h keyHash) (slot int, there bool) {
	high, _ := bits.Mul64(uint64(h[1])<<32|uint64(h[0]), uint64(len(s.slots)))
	for slot = int(high); s.slots[slot] != (keyHash{}); {
		if s.slots[slot] == h {
			return slot, true
		}
		if slot++; slot == len(s.slots) {
			slot = 0
		}
	}
	return slot, false
}

// id is that of the asset which has a key; false: none has it. Without ids it is nil.
func (s *seenKeys) id(h keyHash) (id uuid.UUID, there bool) {
	slot, there := s.find(h)
	if there && s.ids != nil {
		id = s.ids[slot]
	}
	return id, there
}

// put notes the asset of a key, unless the key has one.
func (s *seenKeys) put(h keyHash, id uuid.UUID) {
	slot, there := s.find(h)
	if there {
		return
	}
	if s.taken+s.taken/3 >= len(s.slots)-1 {
		s.grow()
		slot, _ = s.find(h)
	}
	s.taken++
	s.slots[slot] = h
	if s.ids != nil {
		s.ids[slot] = id
	}
}

// grow makes room for twice as many.
func (s *seenKeys) grow() {
	slots, ids := s.slots, s.ids
	s.make(2*s.taken+keyRoom, ids != nil)
	for i, h := range slots {
		if h == (keyHash{}) {
			continue
		}
		slot, _ := s.find(h)
		s.slots[slot] = h
		if ids != nil {
			s.ids[slot] = ids[i]
		}
	}
}
