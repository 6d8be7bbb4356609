//go:build unix

package wal_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// segmentSize is the size of the fixture's segments in bytes.
const segmentSize = 1 << 20

// hurt is a copy of a fixture's WAL that may be damaged.
type hurt struct {
	*fixture
	dir string
}

func (f *fixture) copy(t *testing.T) *hurt {
	t.Helper()
	h := &hurt{fixture: f, dir: t.TempDir()}
	for _, name := range f.names {
		copyFile(t, filepath.Join(h.dir, name), filepath.Join(f.dir, name))
	}
	return h
}

func copyFile(t *testing.T, dst, src string) {
	t.Helper()
	data, err := os.ReadFile(src)
	if err == nil {
		err = os.WriteFile(dst, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (h *hurt) path(i int) string { return filepath.Join(h.dir, h.names[i]) }

// edit changes the bytes of a segment.
func (h *hurt) edit(t *testing.T, i int, change func(data []byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(h.path(i))
	if err == nil {
		err = os.WriteFile(h.path(i), change(data), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// at changes the bytes that begin at a place of the log and lie in one segment.
func (h *hurt) at(t *testing.T, lsn pg.LSN, change func(data []byte)) {
	t.Helper()
	first := h.lsns[0] &^ (segmentSize - 1)
	h.edit(t, int((lsn-first)/segmentSize), func(data []byte) []byte {
		change(data[lsn%segmentSize:])
		return data
	})
}

func (h *hurt) remove(t *testing.T, i int) {
	t.Helper()
	if err := os.Remove(h.path(i)); err != nil {
		t.Fatal(err)
	}
}

// inPage finds a record that lies on one page together with the two after it,
// from the given index on.
func (f *fixture) inPage(t *testing.T, from int) int {
	t.Helper()
	for i := from; i+3 < len(f.lsns); i++ {
		if f.lsns[i]/pg.BlockSize == f.lsns[i+3]/pg.BlockSize {
			return i
		}
	}
	t.Fatal("no page holds four records")
	return 0
}

// onPages finds a record that crosses pages but not segments, from the given index on.
func (f *fixture) onPages(t *testing.T, from int) int {
	t.Helper()
	for i := from; i+1 < len(f.lsns); i++ {
		if f.lsns[i]/pg.BlockSize != f.lsns[i+1]/pg.BlockSize && f.lsns[i]/segmentSize == f.lsns[i+1]/segmentSize &&
			f.lsns[i+1]%pg.BlockSize > 64 {
			return i
		}
	}
	t.Fatal("no record crosses pages")
	return 0
}

// account checks the promise of a scan over damage: every record that was
// delivered is one of the sound log, unchanged, and every other one lies in a gap.
// It returns the number of records that are lost.
func (h *hurt) account(t *testing.T, got *scanned) int {
	t.Helper()
	sound := map[pg.LSN]string{}
	for i, lsn := range h.lsns {
		sound[lsn] = h.describe[i]
	}
	for i, lsn := range got.lsns {
		if sound[lsn] != got.records[i] {
			t.Fatalf("delivered a record that is not in the log:\n%s", got.records[i])
		}
		delete(sound, lsn)
	}
	if !slices.IsSorted(got.lsns) || int(got.total) != len(got.lsns) {
		t.Errorf("%d records counted, %d delivered; sorted: %v", got.total, len(got.lsns), slices.IsSorted(got.lsns))
	}
	for lsn, text := range sound {
		covered := slices.ContainsFunc(got.gaps, func(g wal.Gap) bool { return g.From <= lsn && lsn < g.To })
		if !covered {
			t.Errorf("lost without a gap (gaps %v):\n%s", got.gaps, text)
		}
	}
	for _, gap := range got.gaps {
		lost := 0
		for lsn := range sound {
			if gap.From <= lsn && lsn < gap.To {
				lost++
			}
		}
		if gap.Records == 1 && lost != 1 {
			t.Errorf("gap %+v says one record, %d are lost", gap, lost)
		}
		if gap.What == "" || gap.Why == "" {
			t.Errorf("gap %+v does not say what and why", gap)
		}
	}
	return len(sound)
}

// damageCase is one way to hurt a log and what must come of it.
type damageCase struct {
	name string
	hurt func(t *testing.T, h *hurt)
	gaps []string // a part of each gap's text, in order
	lost int      // records; -1: at least one
}

func damageCases() []damageCase {
	return []damageCase{
		{"missing in the middle", func(t *testing.T, h *hurt) { h.remove(t, 3) }, []string{"no such file", "no WAL behind it"}, -1},
		{"missing twice in a row", func(t *testing.T, h *hurt) { h.remove(t, 3); h.remove(t, 4) }, []string{"for 2 segments", "no WAL behind it"}, -1},
		{"truncated in the middle", func(t *testing.T, h *hurt) {
			h.edit(t, 3, func(data []byte) []byte { return data[:300_013] })
		}, []string{"ends after 294912 bytes"}, -1},
		{"empty file in the middle", func(t *testing.T, h *hurt) {
			h.edit(t, 2, func(data []byte) []byte { return data[:0] })
		}, []string{"only 0 bytes", "no WAL behind it"}, -1},
		{"zero-filled in the middle", func(t *testing.T, h *hurt) {
			h.edit(t, 3, func(data []byte) []byte { clear(data); return data })
		}, []string{"zero-filled", "no WAL behind it"}, -1},
		{"zero page", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.inPage(t, len(h.lsns)/2)]&^(pg.BlockSize-1), func(data []byte) { clear(data[:pg.BlockSize]) })
		}, []string{"page is zero"}, -1},
		{"first page of a segment zero", func(t *testing.T, h *hurt) {
			h.edit(t, 4, func(data []byte) []byte { clear(data[:pg.BlockSize]); return data })
		}, []string{"page is zero"}, -1},
		{"flipped byte in a record", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.inPage(t, len(h.lsns)/2)], func(data []byte) { data[25] ^= 1 })
		}, []string{"bad CRC"}, 1},
		{"flipped byte in a record that crosses pages", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.onPages(t, len(h.lsns)/2)], func(data []byte) { data[20] ^= 4 })
		}, []string{"bad CRC"}, 1},
		{"wrong predecessor", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.inPage(t, len(h.lsns)/3)], func(data []byte) { data[8] ^= 8 })
		}, []string{"names another one"}, 1},
		{"unknown resource manager", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.inPage(t, len(h.lsns)/3)], func(data []byte) { data[17] = 99 })
		}, []string{"unknown resource manager"}, 1},
		{"absurd length", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.inPage(t, len(h.lsns)/3)], func(data []byte) { binary.LittleEndian.PutUint32(data, 900_000_000) })
		}, []string{"goes on"}, -1},
		{"length zero", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.inPage(t, len(h.lsns)/3)], func(data []byte) { clear(data[:4]) })
		}, []string{"length is impossible"}, -1},
		{"page of another place", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.inPage(t, len(h.lsns)/2)]&^(pg.BlockSize-1), func(data []byte) { data[14]++ })
		}, []string{"belongs to"}, -1},
		{"page of another version", func(t *testing.T, h *hurt) {
			h.at(t, h.lsns[h.inPage(t, len(h.lsns)/2)]&^(pg.BlockSize-1), func(data []byte) { data[0]++ })
		}, []string{"page magic 0xD111"}, -1},
		{"first page of a segment says another place", func(t *testing.T, h *hurt) {
			h.edit(t, 4, func(data []byte) []byte { data[10] ^= 0x40; return data })
		}, []string{"belongs to"}, -1},
		{"first page of a segment says another version", func(t *testing.T, h *hurt) {
			h.edit(t, 4, func(data []byte) []byte { data[0]++; return data })
		}, []string{"page magic 0xD111"}, -1},
		{"first page of a segment says another segment size", func(t *testing.T, h *hurt) {
			h.edit(t, 4, func(data []byte) []byte { data[34]++; return data })
		}, nil, 0},
		{"segment of another cluster", func(t *testing.T, h *hurt) {
			h.edit(t, 5, func(data []byte) []byte { data[24]++; return data })
		}, []string{"another cluster", "no such file", "no WAL behind it"}, -1},
		{"oldest missing", func(t *testing.T, h *hurt) { h.remove(t, 0) }, nil, -1},
		{"made ahead and zero", func(t *testing.T, h *hurt) {
			writeFile(t, filepath.Join(h.dir, "0000000100000000000000AA"), make([]byte, segmentSize))
		}, nil, 0},
		{"recycled ahead", func(t *testing.T, h *hurt) {
			copyFile(t, filepath.Join(h.dir, "0000000100000000000000AA"), h.path(1))
		}, nil, 0},
		{"recycled and nowhere else", func(t *testing.T, h *hurt) {
			copyFile(t, filepath.Join(h.dir, "0000000100000000000000AB"), h.path(0))
			copyFile(t, filepath.Join(h.dir, "0000000100000000000000AA"), h.path(1))
			h.remove(t, 0)
			h.remove(t, 1)
		}, nil, 0},
		{"recycled that does not join", func(t *testing.T, h *hurt) {
			copyFile(t, filepath.Join(h.dir, "0000000100000000000000AA"), h.path(0))
			h.remove(t, 0)
			h.remove(t, 1)
		}, nil, -1},
		{"recycled fills a hole", func(t *testing.T, h *hurt) {
			copyFile(t, filepath.Join(h.dir, "0000000100000000000000AA"), h.path(3))
			h.remove(t, 3)
		}, nil, 0},
		{"garbage ahead", func(t *testing.T, h *hurt) {
			writeFile(t, filepath.Join(h.dir, "0000000100000000000000AA"), []byte(strings.Repeat("garbage!", segmentSize/8)))
		}, []string{"no page of it is sound"}, 0},
		{"the last one partial", func(t *testing.T, h *hurt) {
			last := len(h.names) - 1
			copyFile(t, h.path(last)+".partial", h.path(last))
			h.remove(t, last)
		}, nil, 0},
	}
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func damageAll(t *testing.T, f *fixture) {
	for _, c := range damageCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := f.copy(t)
			c.hurt(t, h)
			got := scan(t, []string{h.dir}, wal.OpenOptions{}, wal.ScanOptions{Workers: 3})
			cut := h
			if first := got.lsns[0]; first != h.lsns[0] {
				cut = h.from(first) // what lies before the oldest segment is not there; that is no gap
			}
			lost := cut.account(t, got)
			lost += len(h.lsns) - len(cut.lsns)
			if (c.lost >= 0 && lost != c.lost) || (c.lost < 0 && lost == 0) {
				t.Errorf("%d records are lost, want %d", lost, c.lost)
			}
			checkGaps(t, got.gaps, c.gaps)
		})
	}
	t.Run("conflict", func(t *testing.T) { t.Parallel(); conflict(t, f) })
	t.Run("end of the log", func(t *testing.T) { t.Parallel(); cutEnds(t, f) })
	t.Run("random", func(t *testing.T) { t.Parallel(); randomDamage(t, f) })
}

// from is the same log without the records before the given one.
func (h *hurt) from(first pg.LSN) *hurt {
	i, _ := slices.BinarySearch(h.lsns, first)
	f := *h.fixture
	f.lsns, f.describe = f.lsns[i:], f.describe[i:]
	return &hurt{fixture: &f, dir: h.dir}
}

func checkGaps(t *testing.T, got []wal.Gap, want []string) {
	t.Helper()
	if len(got) < len(want) || (len(want) == 0 && len(got) > 0) {
		t.Fatalf("gaps %+v, want %q", got, want)
	}
	for i, text := range want {
		if !strings.Contains(got[i].Evidence().String(), text) {
			t.Errorf("gap %d is %q, want %q", i, got[i].Evidence(), text)
		}
	}
}

// Two files of one segment that hold different WAL are a conflict; a copy that was
// taken earlier is not.
func conflict(t *testing.T, f *fixture) {
	for name, c := range map[string]struct {
		change func(data []byte) []byte
		gaps   []string
	}{
		"different": {func(data []byte) []byte { data[600_000] ^= 1; return data }, []string{"differ from"}},
		"one holds more here, one there": {func(data []byte) []byte {
			data[200_000] ^= 1
			clear(data[900_000:])
			return data
		}, []string{"differ from"}},
		"earlier": {func(data []byte) []byte { clear(data[400_000:]); return data }, nil},
		"shorter": {func(data []byte) []byte { return data[:400_000] }, nil},
	} {
		h := f.copy(t)
		other := filepath.Join(t.TempDir(), h.names[3])
		data, err := os.ReadFile(h.path(3))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, other, c.change(data))
		for _, paths := range [][]string{{h.dir, other}, {other, h.dir}} {
			got := scan(t, paths, wal.OpenOptions{}, wal.ScanOptions{})
			checkGaps(t, got.gaps, c.gaps)
			for _, g := range got.gaps {
				if !g.Doubt || g.From >= g.To || g.From/segmentSize != h.lsns[0]/segmentSize+3 {
					t.Errorf("%s: the conflict is %+v", name, g)
				}
			}
			// The copy whose records are sound is used, whichever was given first.
			if lost := h.account(t, got); lost != 0 {
				t.Errorf("%s: %d records are lost", name, lost)
			}
		}
	}
}

// Wherever the log stops being written, its end is the end and not damage.
func cutEnds(t *testing.T, f *fixture) {
	random := rand.New(rand.NewPCG(1, 2))
	first := f.lsns[0] &^ (segmentSize - 1)
	span := uint64(f.lsns[len(f.lsns)-1] - first)
	for range 16 {
		end := first + pg.LSN(random.Uint64N(span-segmentSize)+segmentSize/2)&^7
		dir := t.TempDir()
		for i, name := range f.names {
			start := first + pg.LSN(i*segmentSize)
			data, err := os.ReadFile(filepath.Join(f.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if start < end {
				clear(data[min(end-start, segmentSize):])
				writeFile(t, filepath.Join(dir, name), data)
			}
		}
		got := scan(t, []string{dir}, wal.OpenOptions{}, wal.ScanOptions{Workers: 2})
		want := 0
		for want+1 < len(f.lsns) && f.lsns[want+1] <= end {
			want++
		}
		if len(got.gaps) > 0 || len(got.lsns) < want || len(got.lsns) > want+1 {
			t.Errorf("cut at %s: %d records, want %d; gaps %+v", end, len(got.lsns), want, got.gaps)
		}
	}
}

// Whatever bytes are hurt, every record that is lost lies in a gap.
func randomDamage(t *testing.T, f *fixture) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		h := f.copy(t)
		for range 1 + random.IntN(6) {
			h.edit(t, 1+random.IntN(len(h.names)-3), func(data []byte) []byte {
				at := random.IntN(len(data))
				n := min(1<<random.IntN(16), len(data)-at)
				for i := range data[at : at+n] {
					data[at+i] = byte(random.Uint32())
				}
				return data
			})
		}
		got := scan(t, []string{h.dir}, wal.OpenOptions{}, wal.ScanOptions{Workers: 2})
		h.account(t, got)
	}
}
