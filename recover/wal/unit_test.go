package wal

import (
	"fmt"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

func TestSegmentNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		size   uint32
		number uint64
		start  pg.LSN
	}{
		{"000000010000000000000001", 16 << 20, 1, 0x1000000},
		{"0000000A00000002000000FF", 16 << 20, 2*256 + 255, 0x2_FF000000},
		{"000000010000000100000FFF", 1 << 20, 4096 + 4095, 0x1_FFF00000},
		{"000000010000000500000003", 1 << 30, 5*4 + 3, 0x5_C0000000},
	} {
		name, ok := parseSegmentName(c.name)
		number, fits := name.number(c.size)
		if !ok || !fits || number != c.number || pg.LSN(number*uint64(c.size)) != c.start {
			t.Errorf("%s: number %d (%v, %v), want %d", c.name, number, ok, fits, c.number)
		}
		if again := formatSegmentName(name.timeline, number, c.size); again != c.name {
			t.Errorf("%s comes back as %s", c.name, again)
		}
	}
	for _, bad := range []string{
		"", "00000001000000000000000", "0000000100000000000000011", "00000001000000000000000g", "00000001000000000000000a",
		"000000000000000000000001", "00000001.history", "000000010000000000000001.00000028.backup", "+0000001000000000000001",
	} {
		if _, ok := parseSegmentName(bad); ok {
			t.Errorf("%q is taken for a segment", bad)
		}
	}
	if name, ok := parseSegmentName("000000010000000000000100.partial"); !ok || !name.partial {
		t.Error("a partial segment is not taken")
	}
	if name, _ := parseSegmentName("000000010000000000000100"); true {
		if _, fits := name.number(16 << 20); fits {
			t.Error("segment 0x100 of a stretch cannot exist with 16 MiB")
		}
	}
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	for magic, want := range map[uint16]pg.Version{
		0xD101: 12, 0xD106: 13, 0xD10D: 14, 0xD110: 15, 0xD113: 16, 0xD116: 17, 0xD118: 18,
	} {
		if layout, err := LayoutOf(magic); err != nil || layout.Magic != magic || layout.Version != want {
			t.Errorf("0x%04X: %+v, %v", magic, layout, err)
		}
	}
	for _, magic := range []uint16{0xD111, 0xD098, 0} {
		if layout, err := LayoutOf(magic); err == nil || err.Error() != fmt.Sprintf("unknown page magic 0x%04X", magic) {
			t.Errorf("0x%04X: %+v, %v", magic, layout, err)
		}
	}
	for _, layout := range layouts() {
		from15 := layout.Version >= 15
		apply, pglz := uint8(0x04), uint8(0x02)
		if from15 {
			apply, pglz = 0x02, 0x04
		}
		if layout.image.apply != apply || layout.image.pglz != pglz || layout.validRmgr(200) != from15 || layout.validRmgr(22) {
			t.Errorf("version %d: %+v", layout.Version, layout)
		}
		if _, ok := layout.compression(0x40); ok {
			t.Errorf("version %d takes an unknown flag", layout.Version)
		}
		if _, ok := layout.compression(0x08 | imageHasHole); ok != from15 {
			t.Errorf("version %d: lz4 is known: %v", layout.Version, ok)
		}
	}
}

func TestRmgrs(t *testing.T) {
	t.Parallel()
	for id, want := range map[RmgrID]string{RmgrXLOG: "XLOG", RmgrHeap: "Heap", 21: "LogicalMessage", 22: "unknown022", 128: "custom128", 255: "custom255"} {
		if got := id.String(); got != want {
			t.Errorf("%d: %s, want %s", id, got, want)
		}
	}
	some, all := Rmgrs(RmgrHeap, 200), RmgrSet{}
	if !some.Has(RmgrHeap) || !some.Has(200) || some.Has(RmgrHeap2) || some.Has(72) || !all.Has(0) || !all.Has(255) {
		t.Errorf("sets %v and %v", some, all)
	}
}

func TestParseHistory(t *testing.T) {
	t.Parallel()
	h, err := parseHistory("1\t0/3000148\tno recovery target specified\n\n# note\n3\t1/0\tbefore 2026-01-01\n")
	if err != nil || len(h) != 2 || h[0] != (historyEntry{1, 0x3000148}) || h[1] != (historyEntry{3, 1 << 32}) {
		t.Errorf("%v, %v", h, err)
	}
	for _, bad := range []string{"1", "one 0/1", "1 0-1", "2 0/1\n1 0/2", "1 0/2\n2 0/1"} {
		if h, err := parseHistory(bad); err == nil {
			t.Errorf("%q is taken: %v", bad, h)
		}
	}
	path := pathTo(4, map[pg.TimelineID]history{4: h})
	want := timelinePath{{1, 0, 0x3000148}, {3, 0x3000148, 1 << 32}, {4, 1 << 32, 0}}
	for i := range want {
		if i >= len(path) || path[i] != want[i] {
			t.Fatalf("path %+v, want %+v", path, want)
		}
	}
	const size = 0x1000000
	for _, c := range []struct {
		part  int
		start pg.LSN
		holds bool
	}{
		{0, 0x3000000, true},
		{0, 0x4000000, false},
		{1, 0x3000000, true},
		{1, 0x2000000, false},
		{1, 1<<32 - size, true},
		{1, 1 << 32, false},
		{2, 1 << 32, true},
		{2, 1<<32 - size, false},
	} {
		if got := want[c.part].holds(c.start, size); got != c.holds {
			t.Errorf("timeline %d holds the segment at %s: %v", want[c.part].timeline, c.start, got)
		}
	}
}

func TestGapEvidence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		gap  Gap
		want string
	}{
		{Gap{From: 16, To: 32, Segment: "S", What: "a record", Why: "bad CRC", Records: 1}, "0/10 to 0/20 (segment S): a record: bad CRC; one record is lost"},
		{Gap{From: 16, To: 32, What: "w", Why: "y"}, "0/10 to 0/20: w: y; an unknown number of records is lost"},
		{Gap{Segment: "S", What: "w", Why: "y"}, "segment S: w: y"},
		{Gap{What: "w", Why: "y"}, "the log: w: y"},
	} {
		if got := c.gap.Evidence().String(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.gap, got, c.want)
		}
	}
}

func TestDecodeCheckpointOfTheSeed(t *testing.T) {
	t.Parallel()
	if _, ok := DecodeCheckpoint(&Record{Rmgr: RmgrHeap}); ok {
		t.Error("a heap record is taken for a checkpoint")
	}
	if c, ok := DecodeCheckpoint(&Record{Rmgr: RmgrXLOG, Info: xlogCheckpointOnline, Main: make([]byte, 83)}); ok {
		t.Errorf("a short checkpoint is taken: %+v", c)
	}
	main := make([]byte, 88)
	main[0], main[64] = 0x28, 60
	c, ok := DecodeCheckpoint(&Record{LSN: 7, Rmgr: RmgrXLOG, Info: xlogCheckpointShutdown, Main: main})
	if !ok || c.Redo != 0x28 || !c.Shutdown || c.LSN != 7 || !c.Time.Equal(time.Unix(60, 0)) {
		t.Errorf("%+v, %v", c, ok)
	}
}
