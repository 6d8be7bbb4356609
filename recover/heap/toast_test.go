package heap_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

var updateToast = flag.Bool("update-toast", false, "make testdata/inline.txt anew with a real server")

// inlineFile has one value a line: the name of an inlineText and the method,
// then the bytes of the compressed datum in hexadecimal, as a server stored it.
const inlineFile = "testdata/inline.txt"

// inlineTexts are the values that inlineFile holds compressed.
func inlineTexts() map[string]string {
	var lines strings.Builder
	for i := range 400 {
		fmt.Fprintf(&lines, "line %d of many; ", i*i)
	}
	return map[string]string{
		"one byte":  strings.Repeat("x", 5000),
		"a word":    strings.Repeat("pgrescue ", 300),
		"lines":     lines.String(),
		"zero runs": strings.Repeat(strings.Repeat("0", 300)+"1", 20),
	}
}

// inlineValue is a line of inlineFile.
type inlineValue struct {
	name, method, text string
	raw                []byte
}

// inlineValues reads inlineFile; it fails when a text or a method is missing there.
func inlineValues(t testing.TB) []inlineValue {
	t.Helper()
	file, err := os.ReadFile(inlineFile)
	if err != nil {
		t.Fatal(err)
	}
	texts := inlineTexts()
	var values []inlineValue
	for line := range strings.Lines(string(file)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 || texts[fields[0]] == "" {
			t.Fatalf("%s: bad line %.80q", inlineFile, line)
		}
		raw, err := hex.DecodeString(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, inlineValue{fields[0], fields[1], texts[fields[0]], raw})
	}
	if len(values) != 2*len(texts) {
		t.Fatalf("%s has %d values, want %d", inlineFile, len(values), 2*len(texts))
	}
	return values
}

// makeInlineFile lets a server compress the texts and keeps what is in its pages.
func makeInlineFile(t *testing.T) {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{})
	var lines strings.Builder
	for _, method := range []string{"pglz", "lz4"} {
		clustertest.Exec(t, c, "postgres", "CREATE TABLE "+method+" (name text, v text COMPRESSION "+method+"); ALTER TABLE "+method+" ALTER v SET STORAGE MAIN")
		texts := inlineTexts()
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			clustertest.Exec(t, c, "postgres", "INSERT INTO "+method+" VALUES ('"+name+"', '"+texts[name]+"')")
		}
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	for _, method := range []string{"pglz", "lz4"} {
		path := clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('"+method+"')")
		file, err := os.ReadFile(c.DataDir() + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		page := heap.Page(file[:pg.BlockSize])
		header, err := page.Header()
		if err != nil {
			t.Fatal(err)
		}
		for offset := pg.OffsetNumber(1); offset <= header.NumLinePointers(); offset++ {
			tuple, err := page.Tuple(header, offset)
			if err != nil {
				t.Fatal(err)
			}
			var out [2]heap.Datum
			if err := heap.Deform(&tuple, []heap.Attr{{Len: -1, Align: 4}, {Len: -1, Align: 4}}, out[:]); err != nil {
				t.Fatal(err)
			}
			if out[1].Form != heap.FormCompressed {
				t.Fatalf("%s: the server did not compress %s", method, out[0].Bytes)
			}
			fmt.Fprintf(&lines, "%s\t%s\t%x\n", out[0].Bytes, method, out[1].Bytes)
		}
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inlineFile, []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDecompressInline(t *testing.T) {
	t.Parallel()
	if *updateToast {
		makeInlineFile(t)
	}
	for _, v := range inlineValues(t) {
		got, err := heap.DecompressInline([]byte("kept "), v.raw)
		if err != nil || string(got) != "kept "+v.text {
			t.Errorf("%s, %s: got %.40q, error %v", v.name, v.method, got, err)
		}
		for name, damaged := range map[string][]byte{
			"cut":           v.raw[:len(v.raw)-1],
			"longer":        append(bytes.Clone(v.raw), 0),
			"size too big":  withSize(v.raw, uint32(len(v.text)+1)),
			"absurd size":   withSize(v.raw, 1<<30-1),
			"method 2":      withMethod(v.raw, 2),
			"no data":       v.raw[:4],
			"half a header": v.raw[:3],
			"nothing":       nil,
		} {
			if got, err := heap.DecompressInline(nil, damaged); err == nil {
				t.Errorf("%s, %s, %s: no error, %d bytes", v.name, v.method, name, len(got))
			}
		}
	}
}

// withSize puts another size into va_tcinfo.
func withSize(raw []byte, size uint32) []byte {
	c := bytes.Clone(raw)
	binary.LittleEndian.PutUint32(c, binary.LittleEndian.Uint32(c)&^(1<<30-1)|size)
	return c
}

func withMethod(raw []byte, method uint32) []byte {
	c := bytes.Clone(raw)
	binary.LittleEndian.PutUint32(c, binary.LittleEndian.Uint32(c)&(1<<30-1)|method<<30)
	return c
}

// pointer makes the bytes of a varatt_external.
func pointer(rawSize, extInfo, value, relation uint32) []byte {
	var b []byte
	for _, word := range []uint32{rawSize, extInfo, value, relation} {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return b
}

func TestDecodeToastPointer(t *testing.T) {
	t.Parallel()
	const lz4 = 1 << 30
	for _, test := range []struct {
		name string
		raw  []byte
		want heap.ToastPointer // zero: an error
	}{
		{"plain", pointer(5004, 5000, 77, 88), heap.ToastPointer{RawSize: 5000, ExtSize: 5000, ValueID: 77, ToastRelation: 88}},
		{"pglz", pointer(5004, 100, 77, 88), heap.ToastPointer{RawSize: 5000, ExtSize: 100, ValueID: 77, ToastRelation: 88}},
		{"lz4", pointer(5004, lz4|100, 77, 88), heap.ToastPointer{RawSize: 5000, ExtSize: 100, Method: heap.CompressionLZ4, ValueID: 77, ToastRelation: 88}},
		{"cut", pointer(5004, 5000, 77, 88)[:15], heap.ToastPointer{}},
		{"no header in raw size", pointer(3, 3, 77, 88), heap.ToastPointer{}},
		{"negative raw size", pointer(1<<31|5004, 100, 77, 88), heap.ToastPointer{}},
		{"more stored than the value has", pointer(5004, 5001, 77, 88), heap.ToastPointer{}},
		{"no value", pointer(5004, 5000, 0, 88), heap.ToastPointer{}},
		{"no relation", pointer(5004, 5000, 77, 0), heap.ToastPointer{}},
		{"method 3", pointer(5004, 3<<30|100, 77, 88), heap.ToastPointer{}},
	} {
		got, err := heap.DecodeToastPointer(test.raw)
		if got != test.want || (err == nil) != (test.want != heap.ToastPointer{}) {
			t.Errorf("%s: got %+v, error %v", test.name, got, err)
		}
	}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	plain := heap.ToastPointer{RawSize: 3, ExtSize: 3, ValueID: 1, ToastRelation: 2}
	if got, err := plain.Unpack(nil, []byte("abc")); err != nil || string(got) != "abc" {
		t.Errorf("plain: got %q, error %v", got, err)
	}
	if _, err := plain.Unpack(nil, []byte("ab")); err == nil {
		t.Error("plain value with a byte too few: no error")
	}
	for _, v := range inlineValues(t) {
		p := heap.ToastPointer{RawSize: uint32(len(v.text)), ExtSize: uint32(len(v.raw)), ValueID: 1, ToastRelation: 2}
		if v.method == "lz4" {
			p.Method = heap.CompressionLZ4
		}
		if got, err := p.Unpack(nil, v.raw); err != nil || string(got) != v.text {
			t.Errorf("%s, %s: got %.40q, error %v", v.name, v.method, got, err)
		}
		other := p
		other.Method ^= 1
		if _, err := other.Unpack(nil, v.raw); err == nil {
			t.Errorf("%s, %s: the pointer names another method and there is no error", v.name, v.method)
		}
		other = p
		other.RawSize++
		if _, err := other.Unpack(nil, v.raw); err == nil {
			t.Errorf("%s, %s: the pointer names another size and there is no error", v.name, v.method)
		}
	}
}

func FuzzDecompressInline(f *testing.F) {
	for _, v := range inlineValues(f) {
		f.Add(v.raw)
		f.Add(v.raw[:len(v.raw)/2])
		f.Add(withSize(v.raw, 1<<20))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := heap.DecompressInline(nil, raw)
		if err != nil {
			return
		}
		if size := binary.LittleEndian.Uint32(raw) & (1<<30 - 1); len(got) != int(size) {
			t.Errorf("%d bytes, the header says %d", len(got), size)
		}
	})
}

func FuzzToastPointer(f *testing.F) {
	f.Add(pointer(5004, 5000, 77, 88), []byte("stored"))
	for _, v := range inlineValues(f) {
		f.Add(pointer(uint32(len(v.text)+4), binary.LittleEndian.Uint32(v.raw)>>30<<30|uint32(len(v.raw)), 77, 88), v.raw)
	}
	f.Fuzz(func(t *testing.T, raw, stored []byte) {
		p, err := heap.DecodeToastPointer(raw)
		if err != nil {
			return
		}
		value, err := p.Unpack(nil, stored)
		if err == nil && len(value) != int(p.RawSize) {
			t.Errorf("%d bytes for %+v", len(value), p)
		}
	})
}
