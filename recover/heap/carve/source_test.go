package carve

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

var errSector = errors.New("input/output error")

// hurtDisk cannot read one sector.
type hurtDisk struct {
	content []byte
	bad     int64 // where the sector begins
}

func (d *hurtDisk) ReadAt(p []byte, at int64) (int, error) {
	if at >= d.bad+badSector || at+int64(len(p)) <= d.bad {
		return bytes.NewReader(d.content).ReadAt(p, at)
	}
	if at >= d.bad {
		return 0, errSector
	}
	return copy(p, d.content[at:d.bad]), errSector
}

// TestPagesBehindBadSector reads a disk on which a sector is bad: the page there is
// lost, and none behind it, whatever the step.
func TestPagesBehindBadSector(t *testing.T) {
	t.Parallel()
	page := make([]byte, pg.BlockSize)
	for at, value := range map[int]uint16{12: heap.PageHeaderSize, 14: pg.BlockSize, 16: pg.BlockSize, 18: sizeAndVersion} {
		binary.LittleEndian.PutUint16(page[at:], value)
	}
	for _, step := range []int{8, 512, 4096, 8192} {
		for _, bad := range []int64{8192, 12288} {
			s := newScanner(nil, &Options{Step: step}, "")
			var places []int64
			err := s.read(t.Context(), &Source{Path: "disk"}, &hurtDisk{bytes.Repeat(page, 5), bad}, func(p *Page) error {
				places = append(places, p.Offset)
				return nil
			})
			if err != nil || !slices.Equal(places, []int64{0, 16384, 24576, 32768}) || len(s.gaps) != 1 {
				t.Errorf("step %d, bad sector at %d: pages at %v, gaps %v, %v", step, bad, places, s.gaps, err)
			}
		}
	}
}

// TestCutPage has a file that ends within a page: that is told, and an end that is no
// page's is not.
func TestCutPage(t *testing.T) {
	t.Parallel()
	page := make([]byte, pg.BlockSize)
	for at, value := range map[int]uint16{12: heap.PageHeaderSize, 14: pg.BlockSize, 16: pg.BlockSize, 18: sizeAndVersion} {
		binary.LittleEndian.PutUint16(page[at:], value)
	}
	for _, test := range []struct {
		name string
		end  []byte
		gaps int
	}{
		{"whole", nil, 0},
		{"cut", page[:4000], 1},
		{"cut behind other bytes", append(make([]byte, 1024), page[:4000]...), 1},
		{"zeroes", make([]byte, 4000), 0},
		{"cut within its header", page[:20], 0},
	} {
		s := newScanner(nil, &Options{}, "")
		pages := 0
		disk := bytes.NewReader(append(bytes.Repeat(page, 3), test.end...))
		err := s.read(t.Context(), &Source{Path: "disk"}, disk, func(*Page) error { pages++; return nil })
		if err != nil || pages != 3 || len(s.gaps) != test.gaps {
			t.Errorf("%s: %d pages, gaps %+v, %v", test.name, pages, s.gaps, err)
		}
		if len(s.gaps) > 0 && s.gaps[0].Why != "the file ends after 4000 of its 8192 bytes" {
			t.Errorf("%s: %+v", test.name, s.gaps[0])
		}
	}
}

// TestStateWithoutPgXact judges tuples by themselves: what the server froze or took
// back needs no commit log.
func TestStateWithoutPgXact(t *testing.T) {
	t.Parallel()
	aborted := func(pg.XID) heap.XactStatus { return heap.XactAborted }
	unknownThenAborted := func(xid pg.XID) heap.XactStatus {
		if xid == 700 {
			return heap.XactUnknown
		}
		return heap.XactAborted
	}
	for _, test := range []struct {
		name   string
		tuple  heap.Tuple
		status func(pg.XID) heap.XactStatus
		want   State
	}{
		{"written by initdb", heap.Tuple{RawXmin: pg.BootstrapXID, Infomask: heap.XmaxInvalid}, nil, Live},
		{"frozen as before 9.4", heap.Tuple{RawXmin: pg.FrozenXID, Infomask: heap.XmaxInvalid}, nil, Live},
		{"a speculative insertion taken back", heap.Tuple{RawXmin: pg.InvalidXID, Infomask: heap.XmaxInvalid}, nil, NeverVisible},
		{"no hint", heap.Tuple{RawXmin: 700, Infomask: heap.XmaxInvalid}, nil, Undecided},
		{"hinted", heap.Tuple{RawXmin: 700, Infomask: heap.XminCommitted | heap.XmaxInvalid}, nil, Live},
		{"a delete rolled back", heap.Tuple{RawXmin: 700, Xmax: 701, Infomask: heap.XminCommitted}, aborted, Live},
		{"a delete rolled back, of a row that nobody knows", heap.Tuple{RawXmin: 700, Xmax: 701}, unknownThenAborted, Undecided},
	} {
		if got := StateOf(&test.tuple, test.status); got != test.want {
			t.Errorf("%s: state %d, want %d", test.name, got, test.want)
		}
	}
}
