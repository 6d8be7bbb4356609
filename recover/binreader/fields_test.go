package binreader_test

import (
	"testing"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

func TestFieldsStayWithinTheBytes(t *testing.T) {
	t.Parallel()
	f := binreader.Fields{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if f.Uint8(8) != 9 || f.Uint16(1) != 0x0302 || f.Uint32(2) != 0x06050403 || f.Uint64(1) != 0x0908070605040302 {
		t.Error("fields within the bytes are read wrongly")
	}
	if got := f.Bytes(3, 2); len(got) != 2 || cap(got) != 2 || got[0] != 4 {
		t.Errorf("Bytes(3, 2) = %v with room for %d", got, cap(got))
	}
	const far = int(^uint(0) >> 1)
	for _, off := range []int{-far - 1, -9, -1, 9, 10, far - 1, far} {
		if f.Uint8(off) != 0 || f.Uint16(off) != 0 || f.Uint32(off) != 0 || f.Uint64(off) != 0 || f.Bytes(off, 1) != nil {
			t.Errorf("a read at %d gave something", off)
		}
	}
	for _, size := range [][2]int{{8, 2}, {0, 10}, {0, -1}, {1, far}, {9, 1}, {-1, 1}} {
		if f.Has(size[0], size[1]) || f.Bytes(size[0], size[1]) != nil {
			t.Errorf("%d bytes at %d are said to be there", size[1], size[0])
		}
	}
	if f.Uint16(8) != 0 || f.Uint32(6) != 0 || f.Uint64(2) != 0 || !f.Has(9, 0) {
		t.Error("a read across the end is not zero")
	}
}
